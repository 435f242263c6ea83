"""Teaching: a few photos a class become learned prompts, as a task for the job manager. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gallop import Photo
from gallop.classes import ClassNameError
from gallop.config import ConfigError, train_preset
from gallop.images import ImageError
from jobs import PlainError
from text import joined

if TYPE_CHECKING:
    from gallop import GalLoPClassifier

CHUNK = 16
"""Photos measured between two looks at the cancel button."""

# Where each phase ends on the progress bar: shares of the whole, roughly as long as they take.
_PHASES = {"looking": (0.0, 0.05), "encoding": (0.05, 0.25), "training": (0.25, 0.5), "calibrating": (0.5, 0.95)}
_PHASES["measuring"] = (0.95, 1.0)


@dataclass(frozen=True)
class Settings:
    epochs: int
    seed: int


@dataclass(frozen=True)
class Progress:
    """Where a training stands. ``loss`` and ``accuracy`` (a share of the batch) are of the last training step."""

    phase: str
    done: int
    total: int
    loss: float | None = None
    accuracy: float | None = None

    @property
    def share(self) -> float:
        low, high = _PHASES[self.phase]
        return low + (high - low) * min(self.done / max(self.total, 1), 1.0)

    @property
    def sentence(self) -> str:
        if self.phase == "training":
            return f"Training, step {self.done} of {self.total}: loss {self.loss:.3f}, {self.accuracy:.0%} right"
        words = {
            "looking": "Looking at the photos before anything is learned",
            "encoding": "Encoding the photos, each in a few random crops",
            "calibrating": "Calibrating on photos held out in turn: how sure it may be, and when to say none of these",
            "measuring": "Measuring what was learned",
        }
        return f"{words[self.phase]}, {self.done} of {self.total}"


@dataclass(frozen=True)
class Taught:
    """What a training left: the classifier before and after, and how many of its own photos each gets right."""

    before: GalLoPClassifier
    after: GalLoPClassifier
    names: tuple[str, ...]
    shots: int
    steps: int
    of_steps: int
    accuracy_before: float | None
    accuracy_after: float | None

    @property
    def stopped_early(self) -> bool:
        return self.steps < self.of_steps


def default_settings() -> Settings:
    config = train_preset("default")
    return Settings(config.epochs, config.seed)


def check(photos: Mapping[str, Sequence[Photo]]) -> str:
    """Why these photos by class cannot be learned from, as a sentence; empty when they can."""
    if len(photos) < 2:
        return "Teaching needs two or more classes: a difference can only be learned between at least two."
    empty = [name for name, shots in photos.items() if not shots]
    if empty:
        has = "has" if len(empty) == 1 else "have"
        return f"{joined(empty)} {has} no photos yet. Add a few, or take the name off the list."
    return ""


class Teaching:
    """One training, in steps.

    Args:
        backbone: the shared, frozen one.
        photos: shots by class name.
    """

    def __init__(self, backbone: Any, photos: Mapping[str, Sequence[Photo]], settings: Settings) -> None:
        problem = check(photos)
        if problem:
            raise PlainError(problem)
        self.names = tuple(photos)
        self._backbone, self._settings = backbone, settings
        self._shots = [shot for shots in photos.values() for shot in shots]
        self._labels = [name for name, shots in photos.items() for _ in shots]
        self._before: GalLoPClassifier | None = None
        self._after: GalLoPClassifier | None = None
        self._accuracy: dict[str, float] = {}
        self._steps, self._of_steps = 0, 0

    def run(self) -> Iterator[Progress]:
        # Only a trainer that was started needs these; the page is drawn without torch.
        from gallop import GalLoPClassifier
        from gallop.data import DataError
        from gallop.trainer import TrainingDiverged

        try:
            # Nothing of anybody's photos is written to disk: no feature cache.
            settings = {"epochs": self._settings.epochs, "seed": self._settings.seed, "cache": False}
            self._before = GalLoPClassifier(backbone=self._backbone, cache=False).zero_shot(self.names)
            yield from self._measure("looking", "before", self._before)
            after = GalLoPClassifier(backbone=self._backbone, **settings)
            for event in after.fit_steps(self._shots, self._labels):
                progress = _progress(event)
                if progress.phase == "training":
                    self._after, self._steps, self._of_steps = after, progress.done, progress.total
                yield progress
            yield from self._measure("measuring", "after", after)
        except (ClassNameError, ConfigError, DataError, ImageError, TrainingDiverged) as error:
            raise PlainError(str(error)) from error

    def result(self) -> Taught | None:
        """What has been learned so far; None before the first step."""
        if self._before is None or self._after is None:
            return None
        if "after" not in self._accuracy:  # cancelled: measure what there is
            for _ in self._measure("measuring", "after", self._after):
                pass
        return Taught(
            before=self._before,
            after=self._after,
            names=self.names,
            shots=len(self._shots),
            steps=self._steps,
            of_steps=self._of_steps,
            accuracy_before=self._accuracy.get("before"),
            accuracy_after=self._accuracy.get("after"),
        )

    def _measure(self, phase: str, key: str, classifier: GalLoPClassifier) -> Iterator[Progress]:
        """The share of the shots themselves that a classifier gets right."""
        right: list[bool] = []
        for start in range(0, len(self._shots), CHUNK):
            labels = classifier.predict(self._shots[start : start + CHUNK])
            right.extend(np.asarray(labels) == np.array(self._labels[start : start + CHUNK]))
            yield Progress(phase, len(right), len(self._shots))
        self._accuracy[key] = float(np.mean(right))


def _progress(event: Any) -> Progress:
    """An event of ``fit_steps``, told apart by its fields so that torch stays out of this module's import."""
    if hasattr(event, "done"):
        return Progress("encoding", event.done, event.total)
    if hasattr(event, "loss"):
        return Progress("training", event.step, event.steps, event.loss, event.accuracy)
    return Progress("calibrating", event.step, event.steps)
