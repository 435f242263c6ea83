"""What a training says while it runs, and what it leaves. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from app.jobs.manager import Snapshot, State
from app.teaching.settings import Settings
from app.towers.listing import called
from gallop import Photo

if TYPE_CHECKING:
    from gallop import Explanation, GalLoPClassifier


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
    "measuring": "Asking it about the photos,",
    "calibrating": "Ready to try. Calibrating, step",
}


@dataclass(frozen=True)
class Score:
    """How many photos a classifier gets right."""

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
    sights: tuple[Sight, ...] = ()
    """Of the watched photo, from before the first step to the prompts that are in use."""
    learned: tuple[tuple[Photo, str], ...] = ()
    """Each photo that was learned from and its class, in the order of the training; none where a model was opened."""

    @property
    def tower(self) -> str:
        """What the tower that it was taught on, and answers with, is called here."""
        backbone = self.after.model_.backbone
        return called(backbone.name, backbone.region_kind)

    @property
    def fingerprint(self) -> str:
        """Of that tower's weights."""
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
    """A time in words, no more exact than it is known.

    >>> time_in_words(8.2), time_in_words(95), time_in_words(400)
    ('about 8 s', 'about 2 min', 'about 7 min')
    """
    return f"about {max(round(seconds), 1)} s" if seconds < 60 else f"about {round(seconds / 60)} min"


def training_outcome(snapshot: Snapshot) -> tuple[str, str]:
    """(kind, sentence) about a training that has ended."""
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
