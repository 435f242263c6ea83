"""What one visitor has: photos, class names, a classifier, its explanations and at most one training.

Knows no Streamlit; ``visitors`` keeps these, so that they outlive a reload of the page. The frozen backbone is shared
by all visitors, only prompts are a session's own.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from gallop import Photo
from jobs import Job, JobManager, Snapshot, State
from photos import MAX_PHOTOS, MAX_SHOTS, SHOT_SIDE, SHOWN_SIDE, Shelf, Verdicts
from teach import Settings, Taught, Teaching

if TYPE_CHECKING:
    from gallop import Explanation, GalLoPClassifier
    from gallop.faithfulness import Deletion

T = TypeVar("T")

DEFAULT_NAMES = ("cat", "dog", "cup of coffee", "rocket", "person")
DEFAULT_TEMPLATES = ("A photo of a {}",)
"""What every prompt says before anything is learned."""


class Bounded(OrderedDict[Hashable, Any]):
    """The last few things computed."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: Hashable, value: Any) -> None:
        self[key] = value
        while len(self) > self._most:
            self.popitem(last=False)

    def get_or(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self:
            self.put(key, compute())
        self.move_to_end(key)
        found: T = self[key]
        return found


@dataclass(frozen=True)
class Question:
    """What is asked about a photo: which classes, and which prompts answer.

    Attributes:
        taught: the prompts that were taught answer; otherwise it is zero-shot.
        templates: of zero-shot.
        like_taught: zero-shot with as many prompts as were taught, to compare prompt with prompt.
    """

    names: tuple[str, ...]
    taught: bool = False
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    like_taught: bool = False


@dataclass
class Session:
    """One visitor's things."""

    shelf: Shelf = field(default_factory=lambda: Shelf(SHOWN_SIDE, MAX_PHOTOS))
    shots: dict[str, Shelf] = field(default_factory=dict)
    taught: Taught | None = None
    use_taught: bool = False
    job: Job | None = None
    notice: tuple[str, str] | None = None
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    uploads_seen: set[str] = field(default_factory=set)
    kept: dict[str, Any] = field(default_factory=dict)
    """What the widgets of the pages stand at, by key: Streamlit forgets it when another page is shown."""
    _classifiers: Bounded = field(default_factory=lambda: Bounded(6))
    _explanations: Bounded = field(default_factory=lambda: Bounded(24))
    _deletions: Bounded = field(default_factory=lambda: Bounded(8))
    _pictures: Bounded = field(default_factory=lambda: Bounded(32))
    _trainings: int = 0

    # Classifying ---------------------------------------------------------------------------------------------------

    def knows(self, names: tuple[str, ...]) -> bool:
        """Whether what was taught can answer for this class list: all its classes are on it."""
        return self.taught is not None and set(self.taught.names) <= set(names)

    def taught_in_use(self, names: tuple[str, ...]) -> bool:
        return self.use_taught and self.knows(names)

    def classifier(self, backbone: Any, question: Question) -> GalLoPClassifier:
        """Zero-shot, or what was taught with the further names added; made once for a question.

        Raises:
            ClassNameError, TemplateError: a name or a template that the text tower cannot take.
        """
        from gallop import GalLoPClassifier

        def make() -> GalLoPClassifier:
            if not question.taught or self.taught is None:
                sizes: dict[str, Any] = {}
                if question.like_taught and self.taught is not None:
                    method = self.taught.after.model_.config
                    sizes = {"global_prompts": method.global_prompts, "topk": method.topk}
                made = GalLoPClassifier(backbone=backbone, cache=False, **sizes)
                return made.zero_shot(question.names, question.templates)
            # add_class replaces what it changes, so a shallow copy leaves the taught one as it is.
            classifier = copy.copy(self.taught.after)
            for name in question.names:
                if name not in self.taught.names:
                    classifier.add_class(name)
            return classifier

        return self._classifiers.get_or((question, self._trainings), make)

    def explain(self, backbone: Any, photo: Photo, question: Question) -> Explanation:
        """The one pass through the towers for a photo and a question; everything else starts here."""
        return self._explanations.get_or(
            (photo.sha256, question, self._trainings), lambda: self.classifier(backbone, question).explain(photo)
        )

    def deletion(self, key: Hashable) -> Deletion | None:
        """The deletion curve that was kept under ``key``, since the last training."""
        return self._deletions.get((key, self._trainings))

    def keep_deletion(self, key: Hashable, found: Deletion) -> None:
        self._deletions.put((key, self._trainings), found)

    def picture(self, explanation: Explanation, key: Hashable, make: Callable[[], T]) -> T:
        """Something drawn from the similarities of an explanation, whatever its k: drawn once."""
        # Kept beside the picture, so that no other object can take over the number.
        similarities = explanation.similarities
        _, found = self._pictures.get_or((id(similarities), key), lambda: (similarities, make()))
        return found

    # Teaching ------------------------------------------------------------------------------------------------------

    def shelf_of(self, name: str) -> Shelf:
        return self.shots.setdefault(name, Shelf(SHOT_SIDE, MAX_SHOTS))

    def add_shots(self, name: str, files: list[Any]) -> Verdicts:
        elsewhere = {sha256: other for other, shelf in self.shots.items() if other != name for sha256 in shelf.photos}
        return self.shelf_of(name).add(files, elsewhere)

    def shots_by_class(self, names: tuple[str, ...]) -> dict[str, list[Photo]]:
        return {name: list(self.shots[name].photos.values()) if name in self.shots else [] for name in names}

    def start(self, manager: JobManager, backbone: Any, names: tuple[str, ...], settings: Settings) -> None:
        """Queue a training.

        Raises:
            PlainError: these photos cannot be learned from, or too many trainings are waiting.
        """
        self.job = manager.submit(Teaching(backbone, self.shots_by_class(names), settings))
        self.notice = None

    def settle(self) -> Taught | None:
        """Take over what a finished training left: the new ``taught``, or None while there is none."""
        if self.job is None:
            return None
        snapshot = self.job.snapshot()
        if snapshot.active:
            return None
        self.job = None
        self.notice = _outcome(snapshot)
        if snapshot.result is None:
            return None
        self.taught, self.use_taught = snapshot.result, True
        self._trainings += 1
        return self.taught

    def close(self) -> None:
        """Its page is gone for good: stop its training."""
        if self.job is not None:
            self.job.cancel()

    def forget(self) -> None:
        self.taught, self.use_taught = None, False


def _outcome(snapshot: Snapshot) -> tuple[str, str]:
    """(kind, sentence) about a training that has ended."""
    taught: Taught | None = snapshot.result
    if snapshot.state is State.FAILED:
        return "error", f"The training stopped: {snapshot.error}"
    if taught is None:
        return "info", "The training was cancelled before its first step, so nothing was learned."
    if taught.stopped_early:
        return (
            "info",
            f"Cancelled after step {taught.steps} of {taught.of_steps}; what was learned until then is in use.",
        )
    if snapshot.state is State.CANCELLED:
        return "info", "Cancelled after the last training step: the prompts are complete, only calibration is missing."
    return "success", f"Done: {taught.steps} steps on {taught.shots} photos of {len(taught.names)} classes."
