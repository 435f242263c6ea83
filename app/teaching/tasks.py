"""Teaching: a few photos a class become learned prompts, as tasks for the job manager. Knows no Streamlit."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from app.jobs.manager import PlainError
from app.teaching.progress import Answer, Course, Kept, Point, Progress, Sight, Taught, Watch
from app.teaching.settings import Settings, looks_of
from app.teaching.time_left import Pace
from app.text import joined
from gallop import Photo

if TYPE_CHECKING:
    from gallop import GalLoPClassifier
    from gallop.backbones import Backbone
    from gallop.features.encoding import MemoryCache

_PHOTOS_AT_ONCE = 16
"""Photos encoded or measured between two looks at the cancel button."""
MOST_SIGHTS = 60
SIGHT_SECONDS = 0.7
"""The map that evolves is drawn anew so often at most: it costs a pass of the vision tower."""


def check_photos(photos: Mapping[str, Sequence[Photo]]) -> str:
    """Why these photos by class cannot be learned from, as a sentence; empty when they can."""
    if len(photos) < 2:
        return "Teaching needs two or more classes: a difference can only be learned between at least two."
    empty = [name for name, shots in photos.items() if not shots]
    if empty:
        has = "has" if len(empty) == 1 else "have"
        return f"{joined(empty)} {has} no photos to learn from yet. Add a few, or turn the class off."
    return ""


class EncodeAhead:
    """Photos encoded as they come in, so that a training finds them done. For the background.

    Args:
        pending: photos still to encode; more may be added while this runs.
    """

    def __init__(self, backbone: Backbone, cache: MemoryCache, pending: deque[Photo], settings: Settings) -> None:
        self._backbone, self._cache, self._pending, self._settings = backbone, cache, pending, settings

    def run(self) -> Iterator[int]:
        """Yields how many photos are still to do."""
        from gallop.training.learn import encode_ahead

        method = self._settings.method()
        while self._pending:
            chunk = [self._pending.popleft() for _ in range(min(_PHOTOS_AT_ONCE, len(self._pending)))]
            for _ in encode_ahead(self._backbone, chunk, self._settings.training(), self._cache, method):
                yield len(self._pending) + len(chunk)

    def result(self) -> None:
        return None


class Teaching:
    """One training, in steps.

    Args:
        backbone: the shared, frozen one.
        cache: of the visitor's own photos.
        shots: photos to learn from by class name.
        tests: photos to test with by class name; never learned from.
        watch: whose map is followed.
    """

    def __init__(
        self,
        backbone: Backbone,
        cache: MemoryCache | None,
        shots: Mapping[str, Sequence[Photo]],
        tests: Mapping[str, Sequence[Photo]],
        settings: Settings,
        watch: Watch,
    ) -> None:
        problem = check_photos(shots)
        if problem:
            raise PlainError(problem)
        self.names = tuple(sorted(shots))  # as the photos are drawn, so as ``fit`` orders its classes
        self._backbone, self._cache, self._settings, self._watch = backbone, cache, settings, watch
        self._content = content(shots)
        self._shots = drawn_shots(shots, settings)
        self._tests = [(photo, name) for name in self.names for photo in tests.get(name, ())]
        self._before: GalLoPClassifier | None = None
        self._after: GalLoPClassifier | None = None
        self._answers: dict[str, dict[str, Answer]] = {}
        self._best = _Best()
        self._history: list[Point] = []
        self._kept: Kept | None = None
        self._sights: list[Sight] = []
        self._sight_time = 0.0
        self._pace = Pace(len(self._shots), settings.training())
        self._steps, self._of_steps = 0, 0
        self._ready: Taught | None = None

    def run(self) -> Iterator[Progress]:
        # Only a training that was started needs these; the page is drawn without torch.
        from gallop import GalLoPClassifier

        # With as many prompts and the same scales as will be taught, so that like is compared with like.
        sizes: dict[str, Any] = {"global_prompts": self._settings.global_prompts, "topk": self._settings.topk}
        sizes["method"] = looks_of(self._settings)
        self._before = GalLoPClassifier(backbone=self._backbone, cache=False, **sizes).zero_shot(self.names)
        # Nothing of anybody's photos is written to disk.
        settings = self._settings
        cache = False if self._cache is None else self._cache
        after = GalLoPClassifier(self._backbone, method=settings.method(), preset=settings.training(), cache=cache)
        photos, labels = [photo for photo, _ in self._shots], [name for _, name in self._shots]
        for event in after.fit_steps(photos, labels):
            yield self._after_event(event, after)
            if self._complete and self._ready is None:
                # Nobody waits for figures before the first step is seen, nor for calibration to try it.
                yield from self._measure("before", self._before)
                yield from self._measure("after", after)
                self._ready = self._taught(_uncalibrated(after))
                yield self._progress("measuring", len(self._answers["after"]), len(self._answers["after"]))
        yield from self._measure("after", after)

    @property
    def _complete(self) -> bool:
        return 0 < self._of_steps == self._steps

    def result(self) -> Taught | None:
        """What has been learned so far; None before the first step."""
        if self._before is None or self._after is None:
            return None
        if not self._complete:  # cancelled while it learned
            self._best.restore(self._after)
        for when, classifier in (("before", self._before), ("after", self._after)):
            if when == "after" or when not in self._answers:  # the last also where it was cut short
                for _ in self._measure(when, classifier):
                    pass
        self._look(self._after, self._steps, always=True)
        return self._taught(self._after)

    def _taught(self, after: GalLoPClassifier) -> Taught:
        assert self._before is not None
        return Taught(
            self._before,
            after,
            self._settings,
            self._kept,
            tuple(self._sights),
            tuple(self._shots),
            shots=len(self._shots),
            content=self._content,
            steps=self._steps,
            of_steps=self._of_steps,
            best_epoch=None if self._complete else self._best.epoch,
            history=tuple(self._history),
            answers_before=self._answers.get("before", {}),
            answers=self._answers.get("after", {}),
        )

    def _after_event(self, event: Any, after: GalLoPClassifier) -> Progress:
        """Events of ``fit_steps`` are told apart by their fields, so that torch stays out of this module's import."""
        if hasattr(event, "done"):
            return self._progress("encoding", event.done, event.total)
        if not hasattr(event, "loss"):
            return self._progress("calibrating", event.step, event.steps)
        if self._before is not None and not self._history:
            self._look(self._before, 0)  # it has its own prompts: those of the first step are in ``after``
        self._after, self._steps, self._of_steps = after, event.step, event.steps
        self._history.append(Point(event.step, event.loss, event.accuracy))
        names = tuple(self._shots[i][0].name for i in event.images.tolist())
        kept = tuple(tuple(sorted(prompts)) for prompts in event.kept.tolist())
        self._kept = Kept(event.step, names, kept, self._settings.global_prompts)
        self._best.note(event, after)
        self._look(after, event.step)
        return self._progress("training", event.step, event.steps)

    def _progress(self, phase: str, done: int, total: int) -> Progress:
        if phase != "measuring":
            self._pace.note(phase, done, total)
        left, share, sights = self._pace.left, self._pace.share, tuple(self._sights)
        return Progress(phase, done, total, self._history, left, self._kept, sights, share, self._of_steps, self._ready)

    def _look(self, classifier: GalLoPClassifier, step: int, *, always: bool = False) -> None:
        """See the watched photo with the prompts as they are now, unless that was just done."""
        photo, now = self._watch.photo, time.monotonic()
        changed = not self._sights or photo is None or self._sights[-1].explanation.image is not photo.image
        if photo is None or not (always or changed or now - self._sight_time > SIGHT_SECONDS):
            return
        # A copy, since a classifier keeps the text features of the prompts it was last asked with.
        sight = Sight(step, copy.copy(classifier).explain(photo))
        self._sights = [sight] if changed else [*self._sights, sight]
        if len(self._sights) > MOST_SIGHTS:  # thinned out, but for the first and the last
            self._sights = [*self._sights[:-1:2], sight]
        self._sight_time = now

    def _measure(self, when: str, classifier: GalLoPClassifier) -> Iterator[Progress]:
        """What a classifier says to the shots themselves and to the test photos."""
        total = len(self._shots) + len(self._tests)
        found: dict[str, Answer] = {}
        for pairs in (self._shots, self._tests):
            for part in answers_by_photo(classifier, self._cache, pairs, seen=pairs is self._shots):
                found |= part
                yield self._progress("measuring", len(found), total)
        self._answers[when] = found


def _uncalibrated(after: GalLoPClassifier) -> GalLoPClassifier:
    """One with the same prompts that stays as it is while the other is calibrated."""
    from gallop.model.calibration import Calibration

    ready: GalLoPClassifier = copy.copy(after)
    ready.calibration_ = Calibration(note="none yet: it is being calibrated")
    return ready


def opened(after: GalLoPClassifier, backbone: Backbone, settings: Settings, course: Course) -> Taught:
    """Return a model that was trained before, as what a training leaves: without photos and maps."""
    from gallop import GalLoPClassifier

    before = GalLoPClassifier(backbone=backbone, cache=False, method=looks_of(after.model_.config))
    before.zero_shot(after.model_.class_names)
    return Taught(before, after, settings, **course.course())


def content(shots: Mapping[str, Sequence[Photo]]) -> frozenset[tuple[str, str]]:
    """Classes and their photos, to compare with another time."""
    return frozenset((name, photo.sha256) for name, photos in shots.items() for photo in photos)


def answers_by_photo(
    classifier: GalLoPClassifier,
    cache: MemoryCache | None,
    pairs: Sequence[tuple[Photo, str]],
    *,
    seen: bool,
) -> Iterator[dict[str, Answer]]:
    """What a classifier says to photos with their class, by content hash, a batch at a time.

    Args:
        seen: whether it learned from them.
    """
    from gallop.features.encoding import encode_centres

    rest = iter(pairs)
    for features in encode_centres(
        classifier.model_.backbone, [photo for photo, _ in pairs], cache, sight=classifier.model_.sight
    ):
        found = classifier.predict_all(features)
        # The rest comes last: it is longer, and zip would lose one of it with every batch.
        said = zip(found.labels.tolist(), found.probabilities.max(axis=1).tolist(), rest, strict=False)
        yield {photo.sha256: Answer(name, label, share, seen) for label, share, (photo, name) in said}


def drawn_shots(shots: Mapping[str, Sequence[Photo]], settings: Settings) -> list[tuple[Photo, str]]:
    """All photos with their class, or as many of each class as asked for, drawn and ordered as the library does it.

    So the same photos and settings give the same prompts in whatever order they came, and from the command line.
    """
    from gallop.data import LabelledPhotos, draw_shots

    names = tuple(sorted(shots))
    pairs = [(photo, name) for name in names for photo in shots[name]]
    whole = LabelledPhotos(
        photos=tuple(photo for photo, _ in pairs),
        hashes=tuple(photo.sha256 for photo, _ in pairs),
        labels=tuple(names.index(name) for _, name in pairs),
        class_names=names,
    )
    count = settings.shots or len(pairs)
    chosen = draw_shots(whole, count, seed=settings.seed, allow_fewer=True)
    by_content = {photo.sha256: (photo, name) for photo, name in pairs}
    return [by_content[digest] for digest in chosen.hashes]


class _Best:
    """The prompts of the epoch with the lowest mean loss so far: what a cancelled training keeps."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        self._loss = float("inf")
        self._losses: list[float] = []
        self._prompts: Any = None

    def note(self, event: Any, classifier: GalLoPClassifier) -> None:
        self._losses.append(event.loss)
        if not event.end_of_epoch:
            return
        mean, self._losses = float(np.mean(self._losses)), []
        if mean < self._loss:
            self._loss, self.epoch = mean, event.epoch + 1
            self._prompts = copy.deepcopy(classifier.model_.prompts.state_dict())

    def restore(self, classifier: GalLoPClassifier) -> None:
        if self._prompts is not None:  # else no epoch was finished, and the last step's are all there is
            classifier.model_.prompts.load_state_dict(self._prompts)
