"""How to teach a backbone: every setting with its limits; the progress of a training, and its result.

Knows no Streamlit and no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import prod
from typing import Any

from app.jobs import Snapshot, State
from app.library import Explanation, GalLoPClassifier
from app.shared_backbones import called
from gallop import MethodConfig, Photo, TrainConfig
from gallop.backbones.weights import KnownBackbone
from gallop.config import (
    PAPER_EPOCHS,
    PAPERS_REGIONS,
    STORED_ROUNDS,
    STORED_VIEWS,
    default_topk,
    method_preset,
    scaled_topk,
    train_preset,
)
from gallop.data.project_file import MOST_PHOTOS
from gallop.evaluation.changes import Changes
from gallop.setting import Setting, setting, settings_of
from gallop.wording import counted, time_in_words

QUICK, ACCURATE, PAPER, CUSTOM = "Quick", "Accurate", "As in the paper", "Custom"
# Each with its preset; where a backbone has the paper's, what was measured on mini alone becomes "short".
PRESET_OF = {QUICK: "default", ACCURATE: "accurate", PAPER: "paper", CUSTOM: "default"}
WAYS = tuple(PRESET_OF)
ALL_SHOTS = 0
# Of the features of a view: 14 x 14 regions of 1280 values in half precision, as ``mini`` has them.
VIEW_BYTES = 2 * 196 * 1280
# Not a separate setting: there are as many as there are scales k.
LOCAL_PROMPTS = Setting("local prompts", "Each is matched with regions at its own scale.", symbol="N", form=(0, 8, 1))
# Settings that no way to teach determines.
FREE = ("dropout", "shots", "seed")
# Rounds of prompts that go on from those in use when dropout, their number or a photo has changed: after ten they are
# as often right as prompts that began anew, and differ as much.
LIVE_ROUNDS = 10
# The most photos with which a change trains again by itself, where nothing else is chosen.
LIVE_PHOTOS = 100


@dataclass(frozen=True)
class TeachSettings(TrainConfig, MethodConfig):
    """What a training depends on besides the photos: all settings of the method and of its training, and the shots.

    Attributes:
        shots: training photos of each class, drawn by the seed; 0 takes all.
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
    def of(method: MethodConfig, training: TrainConfig) -> TeachSettings:
        return TeachSettings(**_values(method, MethodConfig), **_values(training, TrainConfig))

    def method(self) -> MethodConfig:
        return MethodConfig(**_values(self, MethodConfig))

    def training(self) -> TrainConfig:
        return TrainConfig(**_values(self, TrainConfig))

    def drawn(self, photos: Mapping[str, Sequence[Photo]]) -> int:
        """Return how many photos are learned from, of these by class."""
        return sum(min(len(some), self.shots or len(some)) for some in photos.values())

    def fitting(self, photos: Mapping[str, Sequence[Photo]], memory: int) -> TeachSettings:
        """Return them with as many views of each of these photos as so many bytes hold, at least one."""
        return replace(self, views=min(self.views, max(memory // (VIEW_BYTES * max(self.drawn(photos), 1)), 1)))


def same_detail(method: MethodConfig) -> dict[str, Any]:
    """Return the settings of the same detail: what is compared must have the same regions."""
    return {"detail": method.detail, "detail_in": method.detail_in}


def _values(config: MethodConfig | TrainConfig, kind: type[MethodConfig | TrainConfig]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in settings_of(kind)}


def usual_way(backbone_preset: str) -> str:
    """Return the default way to teach a backbone: with its preset, or else with the paper's settings."""
    return QUICK if backbone_preset == "default" else PAPER


def preset(
    way: str,
    backbone_preset: str = "default",
    regions: int = PAPERS_REGIONS,
    counted: tuple[int, int] | None = None,
) -> TeachSettings:
    """Return the settings of a way to teach; ``CUSTOM`` starts with those of ``QUICK``.

    Settings that were measured on one backbone are never used for another: there a quick training is a short one with
    the paper's settings.

    Args:
        backbone_preset: the name of the backbone's preset.
        regions: R of the backbone; the scales of a quick training are the same fractions of R whatever the grid.
        counted: how many photos are learned from, and of how many classes, by which rounds go; None takes those for
            many.
    """
    photos, classes = counted or (None, 1)
    measured = way == PAPER or backbone_preset == "default"
    name = PRESET_OF[way] if measured else "short"
    method, training = method_preset(name), train_preset(name, photos=photos, classes=classes)
    topk = (
        with_prompts(method.topk, method.local_prompts, regions) if way == PAPER else scaled_topk(method.topk, regions)
    )
    if way == ACCURATE:
        method = replace(method, detail=method_preset("accurate").detail)
    return TeachSettings.of(replace(method, topk=topk), training)


def thinned(history: Sequence[Point], most: int) -> tuple[Point, ...]:
    """Return about so many points of a history at most, evenly, the last among them."""
    every = max(len(history) // most, 1)
    return (*history[:-1:every], *history[-1:])


def way_of(settings: TeachSettings, backbone_preset: str, regions: int, counted: tuple[int, int] | None = None) -> str:
    """Return the way to teach that settings belong to; k and the settings in ``FREE`` may have any value.

    Args:
        counted: as in ``preset``.
    """
    for way in (QUICK, ACCURATE, PAPER):
        usual = preset(way, backbone_preset, regions)
        free = {key: getattr(settings, key) for key in (*FREE, "topk")}
        few = preset(way, backbone_preset, regions, counted).epochs
        if settings.epochs in (PAPER_EPOCHS.values() if way == PAPER else (few,)):  # with another number of photos
            usual = replace(usual, epochs=settings.epochs)
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
        usual = " Nothing was measured on this backbone, so these are the defaults."
        return (
            "The paper's settings: 50 rounds with one photo of each class, 100 with fewer than 8, else 200, each with "
            "a new view of every photo. Takes many times as long." + usual * (known.preset != "default")
        )
    if way == ACCURATE:
        return (
            f"{way_in_words(QUICK, known)} Each photo is looked at twice, the second time at twice the size. "
            "Measured: accuracy is 0.6 points higher with 16 photos of a class, and no higher with 4. Encoding takes "
            "five times as long."
        )
    if known.preset == "default":
        return (
            "Chosen by measurement for the built-in model: a few views of each photo, up to 30 rounds, prompts that "
            "start from different words, and a head in addition to them."
        )
    scaled = "" if regions_of(known) == PAPERS_REGIONS else f", k scaled to its {regions_of(known)} regions"
    return (
        f"The paper's settings, shortened for a quick try: {STORED_ROUNDS} rounds with {STORED_VIEWS} views of each "
        f"photo{scaled}. Not measured on any backbone."
    )


def with_prompts(topk: Sequence[int], count: int, regions: int = PAPERS_REGIONS) -> tuple[int, ...]:
    """Return the scales for ``count`` local prompts, continued as the paper's are, scaled; none is above R."""
    more = scaled_topk(default_topk(count), regions)[len(topk) :]
    return tuple(min(k, regions) for k in (*topk, *more)[:count])


def changed(then: TeachSettings, now: TeachSettings) -> list[str]:
    """Return what differs, in words; k itself, unlike the number of k, needs no new training."""
    if len(then.topk) == len(now.topk):
        then = replace(then, topk=now.topk)
    return [about.words for key, about in settings_of(now).items() if getattr(then, key) != getattr(now, key)]


def live_state(settings: TeachSettings, content: frozenset[tuple[str, str]]) -> tuple[object, ...]:
    """Return what a live training follows: the shots, dropout, and the number of prompts of each kind."""
    return content, settings.dropout, settings.global_prompts, len(settings.topk)


def can_be_live(then: TeachSettings, now: TeachSettings) -> bool:
    """Return whether nothing else has changed than what a live training follows, or needs none."""
    free = {name: getattr(now, name) for name in ("dropout", "global_prompts", "topk", "epochs")}
    return replace(then, **free) == now


@dataclass(frozen=True)
class Point:
    """One training step: the loss, and the accuracy on its batch."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class KeptPrompts:
    """Prompt dropout in one step: which of the M global prompts (counted from 0) were kept for each photo."""

    step: int
    photos: tuple[str, ...]
    prompts: tuple[tuple[int, ...], ...]
    total: int


@dataclass(frozen=True)
class WatchedStep:
    """The watched photo explained with the prompts after a step; step 0 is before anything was learned."""

    step: int
    explanation: Explanation


@dataclass
class WatchedPhoto:
    """The photo whose map is shown while a training runs; the page may change it at any time."""

    photo: Photo | None = None


@dataclass(frozen=True)
class Progress:
    """The progress of a training. ``history`` grows while it runs, so read a copy.

    Attributes:
        fraction: of the work that is done.
        ready: the taught model, once its prompts are final; without calibration.
    """

    phase: str
    done: int
    total: int
    history: list[Point]
    seconds_left: float | None = None
    kept: KeptPrompts | None = None
    watched_steps: tuple[WatchedStep, ...] = ()
    fraction: float = 0.0
    of_steps: int = 0
    ready: Taught | None = None

    @property
    def sentence(self) -> str:
        left = "" if self.seconds_left is None else f"; {time_in_words(self.seconds_left)} left"
        return f"{_PHASES[self.phase]} {self.done} of {self.total}{left}"


_PHASES = {
    "head": "Training the head, photo",
    "encoding": "Encoding views of the photos,",
    "training": "Training, step",
    "measuring": "Classifying the photos,",
    "calibrating": "Calibrating, step",
}


@dataclass(frozen=True)
class Score:
    before: float | None
    after: float | None
    photos: int


@dataclass(frozen=True)
class Answer:
    """A classifier's answer to one photo whose class is known.

    Attributes:
        probability: of ``label``.
        seen: whether it was trained on this photo.
    """

    truth: str
    label: str
    probability: float
    seen: bool

    @property
    def right(self) -> bool:
        return self.label == self.truth


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How a training went, without its prompts. For a model from a file only answers are known.

    Attributes:
        shots: the number of training photos.
        content: (class name, content hash) of all photos that it could be trained on: to detect changes of the cards.
        answers_before: of zero-shot, by content hash: to the training photos and to the test photos.
        answers: of the trained model, to the same photos.
    """

    shots: int = 0
    content: frozenset[tuple[str, str]] = frozenset()
    steps: int = 0
    of_steps: int = 0
    history: tuple[Point, ...] = ()
    answers_before: Mapping[str, Answer] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def stopped_early(self) -> bool:
        return self.steps < self.of_steps

    def record(self) -> dict[str, Any]:
        """Return these fields by name, for another class that has them."""
        return {each.name: getattr(self, each.name) for each in fields(TrainingRecord)}


@dataclass(frozen=True)
class Taught(TrainingRecord):
    """The result of a training: the classifier before and after, and how it went."""

    before: GalLoPClassifier
    after: GalLoPClassifier
    settings: TeachSettings
    kept: KeptPrompts | None = None
    # Of the watched photo, from before the first step to the final prompts.
    watched_steps: tuple[WatchedStep, ...] = ()
    # Each training photo and its class, in the order of the training; empty for a model that was opened.
    learned: tuple[tuple[Photo, str], ...] = ()
    # Against the run before; None without one.
    changes: Changes | None = None
    # How many trainings have asked its test photos, this one included.
    asked_tests: int = 0

    @property
    def backbone_name(self) -> str:
        """The app's name for the backbone that it was trained on and answers with."""
        backbone = self.after.model_.backbone
        return called(backbone.name, backbone.region_kind)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of both classifiers."""
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
        return Score(_accuracy(before), _accuracy(after), len(digests))


def _accuracy(right: Sequence[bool]) -> float | None:
    return sum(right) / len(right) if right else None


def training_outcome(snapshot: Snapshot, *, live: bool = False) -> tuple[str, str]:
    taught: Taught | None = snapshot.result
    if snapshot.state is State.FAILED:
        return "error", f"The training stopped: {snapshot.error}"
    if taught is None and live:
        return "info", "Cancelled. The run before answers again."
    if taught is None:
        return "info", "The training was cancelled before its first step, so nothing was learned."
    if not taught.steps and snapshot.state is State.CANCELLED:
        return "info", "Cancelled before the first step of the prompts: the head has learned, and answers with them."
    if taught.stopped_early:
        return "info", f"Cancelled after step {taught.steps} of {taught.of_steps}. The prompts of that step are in use."
    if snapshot.state is State.CANCELLED:
        return "info", "Cancelled after the last training step: the prompts are complete, only calibration is missing."
    return "success", f"Done: {counted(taught.steps, 'step')} on {taught.shots} photos of {len(taught.names)} classes."
