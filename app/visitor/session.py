"""What one visitor has: photos, class names, a classifier, its explanations and at most one training.

Knows no Streamlit; ``registry`` keeps these, so that they outlive a reload of the page. The frozen backbone is shared
by all visitors, only prompts are a session's own.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from app.jobs.manager import Job, JobManager, PlainError
from app.photos.shelf import MAX_PHOTOS, SHOT_SIDE, SHOWN_SIDE, Shelf, Verdicts
from app.runs.recorder import Recorded
from app.runs.visitor_runs import Ledger
from app.teaching.cards import Deck
from app.teaching.progress import Taught, Watch, training_outcome
from app.teaching.settings import QUICK, Settings, changed, preset
from app.teaching.tasks import EncodeAhead, Teaching, content
from app.visitor.page_job import PageJobs
from app.visitor.question import Question
from app.visitor.recent import Bounded
from gallop import Photo

if TYPE_CHECKING:
    from gallop import Explanation, GalLoPClassifier
    from gallop.backbones import Backbone
    from gallop.features.encoding import MemoryCache
    from gallop.model.gallop import Similarities
    from gallop.predictions.faithfulness import Deletion

T = TypeVar("T")

MOST_FEATURES = 512 * 2**20
"""Bytes of one visitor's photos as features: some two hundred photos in the views that a training takes of each."""


@dataclass
class Session:
    """One visitor's things."""

    shelf: Shelf = field(default_factory=lambda: Shelf(SHOWN_SIDE, MAX_PHOTOS))
    unknown: Shelf = field(default_factory=lambda: Shelf(SHOT_SIDE, MAX_PHOTOS))
    """Photos of none of the classes, to test with."""
    deck: Deck = field(default_factory=Deck)
    settings: Settings = field(default_factory=lambda: preset(QUICK))
    watch: Watch = field(default_factory=Watch)
    ledger: Ledger | None = None
    """Where trainings are kept as runs; None where they are not."""
    page_jobs: PageJobs = field(default_factory=PageJobs)
    report: tuple[Hashable, str] | None = None
    """The last report that was made, and what it is about."""
    taught: Taught | None = None
    use_taught: bool = False
    job: Job | None = None
    outcome: tuple[str, str] | None = None
    """How the last training ended: (kind, sentence)."""
    corrected: tuple[bool, str] | None = None
    """Whether a photo was put to the class it really is, and a sentence; shown once."""
    complaint: str = ""
    """Why the last change of the cards was not made; shown once."""
    lost: bool = False
    """Whether the address led to a session that had ended."""
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    """What the widgets of the pages stand at, by key: Streamlit forgets it when another page is shown."""
    _classifiers: Bounded = field(default_factory=lambda: Bounded(6))
    _explanations: Bounded = field(default_factory=lambda: Bounded(24))
    _deletions: Bounded = field(default_factory=lambda: Bounded(8))
    _pictures: Bounded = field(default_factory=lambda: Bounded(32))
    _similarities: Bounded = field(default_factory=lambda: Bounded(3))
    _figures: Bounded = field(default_factory=lambda: Bounded(12))
    _others: Bounded = field(default_factory=lambda: Bounded(16))
    _trainings: int = 0
    _limit: tuple[int, float] | None = None
    """Of which training, and the limit for "none of these" that was set by hand."""
    _ways_back: int = 0
    _cache: MemoryCache | None = None
    _pending: deque[Photo] = field(default_factory=deque)
    _encoding: Job | None = None

    # Classifying ---------------------------------------------------------------------------------------------------

    def knows(self, names: tuple[str, ...]) -> bool:
        """Whether what was taught can answer for this class list: all its classes are on it."""
        return self.taught is not None and set(self.taught.names) <= set(names)

    def classifier(self, backbone: Backbone, question: Question) -> GalLoPClassifier:
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
                zero_shot = GalLoPClassifier(backbone=backbone, cache=False, **sizes)
                made: GalLoPClassifier = zero_shot.zero_shot(question.names, question.templates)
                return made
            # add_class replaces what it changes, so a shallow copy leaves the taught one as it is.
            classifier = copy.copy(self.taught.after)
            for name in question.names:
                if name not in self.taught.names:
                    classifier.add_class(name)
            return classifier

        return self._classifiers.get_or((question, self._trainings), make)

    def explain(self, backbone: Backbone, photo: Photo, question: Question) -> Explanation:
        """The one pass through the towers for a photo and a question; everything else starts here."""
        found: Explanation = self._explanations.get_or(
            (photo.sha256, question, self._trainings), lambda: self.classifier(backbone, question).explain(photo)
        )
        return replace(found, threshold=self.own_limit) if self.limited(question) else found

    def similarities(self, backbone: Backbone, photos: Sequence[Photo], question: Question) -> Similarities:
        """Of many photos at once, each encoded once; at least one."""

        def compute() -> Similarities:
            from gallop.features.encoding import encode_centres
            from gallop.predictions.predict import similarities

            classifier = self.classifier(backbone, question)
            features = encode_centres(backbone, photos, self.features())
            return similarities(classifier.model_, classifier.text_features(), features)

        return self._similarities.get_or((_shas(photos), question, self._trainings), compute)

    def figure(self, what: str, photos: Sequence[Photo], more: Hashable, compute: Callable[[], T]) -> T:
        """Something small that was worked out from photos, since the last training."""
        return self._figures.get_or((what, _shas(photos), more, self._trainings), compute)

    # None of these -------------------------------------------------------------------------------------------------

    @property
    def own_limit(self) -> float | None:
        """The limit for "none of these" that was set by hand since the last training; None where there is none."""
        return self._limit[1] if self._limit is not None and self._limit[0] == self._trainings else None

    @property
    def limit(self) -> float | None:
        """Above this outlier score a photo is none of the taught classes: set by hand, or found while teaching."""
        if self.own_limit is not None or self.taught is None:
            return self.own_limit
        return self.taught.after.calibration_.threshold

    def set_limit(self, value: float | None) -> None:
        """By hand; None goes back to the one that was found while teaching."""
        self._limit = None if value is None else (self._trainings, value)
        self._ways_back += value is None

    @property
    def limit_key(self) -> str:
        """Another one whenever the limit was set by other means than its slider, which then begins anew."""
        return f"limit {self._trainings} {self._ways_back}"

    def note(self, question: Question, classifier: GalLoPClassifier) -> str:
        """What is to be said about the limit that decides for a question; empty where it is sound."""
        if self.limited(question):
            return "this limit was set by you, on the page Test"
        if question.taught and self.own_limit is not None:
            return "the limit that you set on the page Test is for the taught classes alone, so it does not count here"
        return classifier.calibration_.note

    def limited(self, question: Question) -> bool:
        """Whether a limit that was set by hand decides: outlier scores depend on the class list, so for it alone."""
        taught = question.taught and self.taught is not None and set(question.names) == set(self.taught.names)
        return taught and self.own_limit is not None

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

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Anything else that takes a while and depends on ``key`` alone: made once."""
        return self._others.get_or(key, make)

    # Teaching ------------------------------------------------------------------------------------------------------

    def start(self, manager: JobManager, backbone: Backbone) -> None:
        """Queue a training on the cards that are turned on.

        Raises:
            PlainError: these photos cannot be learned from, or too many trainings are waiting.
        """
        if self.watch.photo is None:
            self.watch.photo = next((photo for card in self.deck.in_use for photo in card.tests + card.shots), None)
        task = Teaching(backbone, self.features(), self.shots(), self.tests(), self.settings, self.watch)
        self.job, self.outcome = manager.submit(Recorded(task, self.ledger.keep) if self.ledger else task), None

    def shots(self) -> dict[str, tuple[Photo, ...]]:
        """Photos to learn from, of the classes that take part."""
        return {card.name: card.shots for card in self.deck.in_use}

    def tests(self) -> dict[str, tuple[Photo, ...]]:
        return {card.name: card.tests for card in self.deck.in_use}

    def scales(self) -> tuple[int, ...]:
        """The k that what was taught is read with: as they are set now, or as taught where that was another number."""
        assert self.taught is not None
        now, then = self.settings.topk, self.taught.settings.topk
        return now if len(now) == len(then) else then

    def encode_ahead(self, manager: JobManager, backbone: Backbone, photos: Iterable[Photo]) -> None:
        """Encode photos in the background, so that a training with the settings as they are need not."""
        self._pending.extend(photos)
        if not self._pending or (self._encoding is not None and self._encoding.snapshot().active):
            return
        try:
            task = EncodeAhead(backbone, self.features(), self._pending, self.settings)
            self._encoding = manager.submit(task, urgent=False)
        except PlainError:
            self._pending.clear()  # no harm: the training encodes them itself

    def settle(self) -> Taught | None:
        """Take over what a finished training left: the new ``taught``, or None while there is none."""
        if self.job is None:
            return None
        snapshot = self.job.snapshot()
        if snapshot.active:
            return None
        self.job = None
        self.outcome = training_outcome(snapshot)
        if snapshot.result is None:
            return None
        if self.ledger is not None and self.ledger.problem:
            self.outcome = ("info", f"{self.outcome[1]} {self.ledger.problem}")
        self.adopt(snapshot.result)
        return self.taught

    def adopt(self, taught: Taught) -> None:
        """From now on this is what was taught."""
        self.taught, self.use_taught = taught, True
        self._trainings += 1

    def stale(self) -> list[str]:
        """What has changed since the training, in words; empty when it is up to date, or there was none."""
        if self.taught is None:
            return []
        words = changed(self.taught.settings, self.settings)
        shots = self.shots()
        if set(shots) != set(self.taught.names):
            words.insert(0, "the classes")
        elif content(shots) != self.taught.content:
            words.insert(0, "the photos")
        return words

    def features(self) -> MemoryCache:
        """Of this visitor's photos; they go when the session goes."""
        from gallop.features.encoding import MemoryCache

        if self._cache is None:
            self._cache = MemoryCache(MOST_FEATURES)
        return self._cache

    def close(self) -> None:
        """Its page is gone for good: stop its training."""
        for job in (self.job, self._encoding):
            if job is not None:
                job.cancel()
        self.page_jobs.cancel()
        if self.ledger is not None:
            self.ledger.close()


def _shas(photos: Sequence[Photo]) -> tuple[str, ...]:
    return tuple(photo.sha256 for photo in photos)
