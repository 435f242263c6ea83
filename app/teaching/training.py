"""How to teach a backbone: every setting with its limits; what a training reports while it runs, and what it leaves.

Knows no Streamlit and no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import prod
from typing import Any

from app.backbones import called
from app.jobs import Snapshot, State
from app.library import Explanation, GalLoPClassifier
from app.teaching.cards import MOST_PHOTOS
from gallop import MethodConfig, Photo, TrainConfig
from gallop.backbones.weights import KnownBackbone
from gallop.config import default_topk, method_preset, train_preset
from gallop.setting import Setting, setting, settings_of

QUICK, PAPER, CUSTOM = "Quick", "As in the paper", "Custom"
WAYS = (QUICK, PAPER, CUSTOM)
# Of a quick training with the paper's other settings: as many rounds as the paper takes for ImageNet, in few views.
_ROUNDS, _VIEWS = 50, 4
# Of the paper's ViT-B/16, which its scales were chosen on.
PAPERS_REGIONS = 14 * 14
ALL_SHOTS = 0
# No setting of its own: there are as many as there are scales k.
LOCAL_PROMPTS = Setting("local prompts", "Each is matched with regions at its own scale.", symbol="N", form=(0, 8, 1))
# What no way to teach fixes.
FREE = ("dropout", "shots", "seed")


@dataclass(frozen=True)
class Settings(TrainConfig, MethodConfig):
    """What a training depends on, beside the photos: every setting of the method and of its training, and the shots.

    Attributes:
        shots: photos of each class that are learned from, drawn by the seed; 0 takes all.
    """

    shots: int = setting(
        ALL_SHOTS,
        "photos of each class",
        "Drawn from the cards by the seed. 0 means all of them.",
        symbol="shots",
        zero="all",
        form=(ALL_SHOTS, MOST_PHOTOS, 1),
    )

    def __post_init__(self) -> None:
        MethodConfig.__post_init__(self)  # checks every field, those of the training and the shots among them

    @staticmethod
    def of(method: MethodConfig, training: TrainConfig) -> Settings:
        return Settings(**_values(method, MethodConfig), **_values(training, TrainConfig))

    def method(self) -> MethodConfig:
        return MethodConfig(**_values(self, MethodConfig))

    def training(self) -> TrainConfig:
        return TrainConfig(**_values(self, TrainConfig))


def looks_of(method: MethodConfig) -> MethodConfig:
    """Return the default method with the same detail: what is compared must have the same regions."""
    return MethodConfig(detail=method.detail, detail_in=method.detail_in)


def _values(config: MethodConfig | TrainConfig, kind: type[MethodConfig | TrainConfig]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in settings_of(kind)}


def usual_way(own: str) -> str:
    """Return how a backbone is taught unless another way is chosen: by its own settings, or else by the paper's."""
    return QUICK if own == "default" else PAPER


def preset(way: str, own: str = "default", regions: int = PAPERS_REGIONS) -> Settings:
    """Return the settings of a way to teach; ``CUSTOM`` starts with those of ``QUICK``.

    What was measured on one backbone is never another's: its quick training is a short one with the paper's settings.

    Args:
        own: the settings that go with the backbone.
        regions: R of the backbone; a quick training looks at the same shares of a photo whatever its grid.
    """
    if way != PAPER and own == "default":
        method = method_preset("default")
        return Settings.of(replace(method, topk=_scaled(method.topk, regions)), train_preset("default"))
    method, training = method_preset("paper"), train_preset("paper")
    if way == PAPER:
        return Settings.of(replace(method, topk=with_prompts(method.topk, method.local_prompts, regions)), training)
    return Settings.of(
        replace(method, topk=scales_for(regions, method.local_prompts)), replace(training, epochs=_ROUNDS, views=_VIEWS)
    )


def way_of(settings: Settings, own: str, regions: int) -> str:
    """Return the way to teach that settings belong to; k and what no way fixes may be anything."""
    for way in (QUICK, PAPER):
        usual = preset(way, own, regions)
        free = {key: getattr(settings, key) for key in (*FREE, "topk")}
        if settings.local_prompts == usual.local_prompts and replace(usual, **free) == settings:
            return way
    return CUSTOM


def regions_of(known: KnownBackbone) -> int:
    """Return R of a backbone; the paper's where it is unknown before loading."""
    return prod(known.grid) if known.grid else PAPERS_REGIONS


def way_in_words(way: str, known: KnownBackbone) -> str:
    """Describe what a way to teach does with a backbone, in a sentence or two."""
    if way == CUSTOM:
        return "You choose every setting."
    if way == PAPER:
        usual = (
            "" if known.preset == "default" else " Nothing was measured on this backbone, so these are the defaults."
        )
        return (
            "The paper's own settings: 200 rounds, each with a new view of every photo. Takes many times as long."
            + usual
        )
    if known.preset == "default":
        return (
            "Chosen by measurement for the built-in model: a few views of each photo, 30 rounds, and a head in "
            "addition to the prompts."
        )
    scaled = "" if regions_of(known) == PAPERS_REGIONS else f", k scaled to its {regions_of(known)} regions"
    return (
        f"The paper's settings, shortened for a quick try: {_ROUNDS} rounds with {_VIEWS} views of each photo{scaled}. "
        "Not measured on any backbone."
    )


def scales_for(regions: int, count: int) -> tuple[int, ...]:
    """Return the paper's k = 5, 10, 15, ... as the same shares of another number of regions."""
    return _scaled(default_topk(count), regions)


def _scaled(topk: Sequence[int], regions: int) -> tuple[int, ...]:
    """Return scales of the paper's regions as the same shares of so many, still increasing where they were."""
    found: list[int] = []
    for n, k in enumerate(topk):
        least = found[-1] + 1 if n and k > topk[n - 1] else 1
        found.append(min(max(round(k * regions / PAPERS_REGIONS), least), regions))
    return tuple(found)


def with_prompts(topk: Sequence[int], count: int, regions: int = PAPERS_REGIONS) -> tuple[int, ...]:
    """Return the scales for ``count`` local prompts, continued as in ``scales_for``; none is above R."""
    further = scales_for(regions, count)[len(topk) :]
    return tuple(min(k, regions) for k in (*topk, *further)[:count])


def changed(then: Settings, now: Settings) -> list[str]:
    """Return what differs, in words; k itself, unlike the number of k, needs no new training."""
    if len(then.topk) == len(now.topk):
        then = replace(then, topk=now.topk)
    return [about.words for key, about in settings_of(now).items() if getattr(then, key) != getattr(now, key)]


@dataclass(frozen=True)
class Point:
    """One training step: loss, and the share of its batch that was right."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Kept:
    """Prompt dropout in one step: which of the M global prompts (counted from 0) were kept for each photo."""

    step: int
    photos: tuple[str, ...]
    prompts: tuple[tuple[int, ...], ...]
    total: int


@dataclass(frozen=True)
class Sight:
    """The watched photo as the prompts saw it after a step; step 0 is before anything was learned."""

    step: int
    explanation: Explanation


@dataclass
class Watch:
    """The photo whose map is shown while a training runs; the page may change it at any time."""

    photo: Photo | None = None


@dataclass(frozen=True)
class Progress:
    """Where a training stands. ``history`` grows with it, so read a copy.

    Attributes:
        ready: what was taught, once its prompts are final; what calibration adds is not in it.
    """

    phase: str
    done: int
    total: int
    history: list[Point]
    seconds_left: float | None = None
    kept: Kept | None = None
    sights: tuple[Sight, ...] = ()
    share: float = 0.0
    of_steps: int = 0
    ready: Taught | None = None

    @property
    def sentence(self) -> str:
        left = "" if self.seconds_left is None else f"; {time_in_words(self.seconds_left)} left"
        return f"{_PHASES[self.phase]} {self.done} of {self.total}{left}"


_PHASES = {
    "encoding": "Encoding views of the photos,",
    "training": "Training, step",
    "measuring": "Classifying the photos,",
    "calibrating": "Ready to try. Calibrating, step",
}


@dataclass(frozen=True)
class Score:
    before: float | None
    after: float | None
    photos: int


@dataclass(frozen=True)
class Answer:
    """What a classifier said to one photo whose class is known.

    Attributes:
        probability: of ``label``.
        seen: whether it learned from this photo.
    """

    truth: str
    label: str
    probability: float
    seen: bool

    @property
    def right(self) -> bool:
        return self.label == self.truth


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a training went, beside the prompts it left. Of a model that came as a file nothing is known but answers.

    Attributes:
        shots: how many photos were learned from.
        content: (class name, content hash) of what was learned from and might have been: to tell whether the cards
            changed.
        best_epoch: of a cancelled training the epoch, from 1, whose prompts are kept; None where those of the last
            step are.
        answers_before: of zero-shot, by content hash: to the photos it learned from and to the test photos.
        answers: of what was learned, to the same photos.
    """

    shots: int = 0
    content: frozenset[tuple[str, str]] = frozenset()
    steps: int = 0
    of_steps: int = 0
    best_epoch: int | None = None
    history: tuple[Point, ...] = ()
    answers_before: Mapping[str, Answer] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def stopped_early(self) -> bool:
        return self.steps < self.of_steps

    def course(self) -> dict[str, Any]:
        """Return these fields by name, for another that has them."""
        return {each.name: getattr(self, each.name) for each in fields(Course)}


@dataclass(frozen=True)
class Taught(Course):
    """What a training left: the classifier before and after, and how it went."""

    before: GalLoPClassifier
    after: GalLoPClassifier
    settings: Settings
    kept: Kept | None = None
    # Of the watched photo, from before the first step to the prompts that are in use.
    sights: tuple[Sight, ...] = ()
    # Each photo that was learned from and its class, in the order of the training; none where a model was opened.
    learned: tuple[tuple[Photo, str], ...] = ()

    @property
    def backbone_name(self) -> str:
        """What the backbone that it was taught on, and answers with, is called here."""
        backbone = self.after.model_.backbone
        return called(backbone.name, backbone.region_kind)

    @property
    def fingerprint(self) -> str:
        return self.after.model_.backbone.fingerprint

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order in which both classifiers give their figures."""
        return tuple(self.after.model_.class_names)

    @property
    def on_shots(self) -> Score:
        return self._score(seen=True)

    @property
    def on_tests(self) -> Score:
        return self._score(seen=False)

    def _score(self, *, seen: bool) -> Score:
        digests = [digest for digest, answer in self.answers.items() if answer.seen == seen]
        before = [self.answers_before[digest].right for digest in digests if digest in self.answers_before]
        after = [self.answers[digest].right for digest in digests]
        return Score(_share(before), _share(after), len(digests))


def _share(right: Sequence[bool]) -> float | None:
    return sum(right) / len(right) if right else None


def time_in_words(seconds: float) -> str:
    """Return a time in words, no more exact than it is known.

    >>> time_in_words(8.2), time_in_words(95), time_in_words(400)
    ('about 8 s', 'about 2 min', 'about 7 min')
    """
    return f"about {max(round(seconds), 1)} s" if seconds < 60 else f"about {round(seconds / 60)} min"


def training_outcome(snapshot: Snapshot) -> tuple[str, str]:
    taught: Taught | None = snapshot.result
    if snapshot.state is State.FAILED:
        return "error", f"The training stopped: {snapshot.error}"
    if taught is None:
        return "info", "The training was cancelled before its first step, so nothing was learned."
    if taught.stopped_early:
        kept = "the last step are" if taught.best_epoch is None else f"round {taught.best_epoch}, the best so far, are"
        return "info", f"Cancelled after step {taught.steps} of {taught.of_steps}. The prompts of {kept} in use."
    if snapshot.state is State.CANCELLED:
        return "info", "Cancelled after the last training step: the prompts are complete, only calibration is missing."
    return (
        "success",
        f"Done: {taught.steps} step{'s' * (taught.steps > 1)} on {taught.shots} photos of {len(taught.names)} classes.",
    )
