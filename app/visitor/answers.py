"""What is computed from a visitor's photos, once for a backbone and what was taught on it; the limit for "none of
these".

Knows no Streamlit, and loads torch when it is asked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from app.library import Backbone, Explanation, GalLoPClassifier, ShotVotes, Similarities
from app.photos.shelf import MAX_PHOTOS
from app.teaching.tasks import are_all, recalled
from app.teaching.training import Course, looks_of
from app.visitor.page_state import Question
from app.visitor.photos import Bounded, VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop import Photo
from gallop.evaluation.limits import at_limit
from gallop.model.scores import VERDICT


@dataclass(frozen=True)
class _Own:
    """A limit of the visitor's: of which training, its value, and how many test photos it was taken from, if any."""

    training: int
    value: float
    photos: int


@dataclass
class VisitorLimit:
    """Above it an outlier score says: none of the taught classes."""

    training: VisitorTraining
    _set: _Own | None = None

    @property
    def _mine(self) -> _Own | None:
        return self._set if self._set is not None and self._set.training == self.training.number else None

    @property
    def own(self) -> float | None:
        """The one that the visitor has set since the last training; None where there is none."""
        return self._mine.value if self._mine is not None else None

    @property
    def origin(self) -> str:
        """Where the visitor's own came from, as a model card says it; empty where there is none."""
        if self._mine is None:
            return ""
        photos = self._mine.photos
        return f"taken from {photos} test photos, to keep 95 % of them" if photos else "set by hand"

    @property
    def value(self) -> float | None:
        """The one that counts: the visitor's own, or the one found while teaching."""
        if self.own is not None or self.training.taught is None:
            return self.own
        return self.training.taught.after.calibration_.threshold

    def set_to(self, value: float | None, photos: int = 0) -> None:
        """Set the visitor's own; None goes back to the one that was found while teaching.

        Args:
            photos: how many test photos it was taken from; 0 where a hand has set it.
        """
        self._set = None if value is None else _Own(self.training.number, value, photos)

    def own_for(self, question: Question) -> float | None:
        """Return the visitor's own if it decides: outlier scores depend on the class list, so for that alone."""
        taught = self.training.taught
        asked = question.taught and taught is not None and set(question.names) == set(taught.names)
        return self.own if asked else None

    def note(self, question: Question, classifier: GalLoPClassifier) -> str:
        """Return where the limit that decides for a question came from, if that is to be said."""
        if self.own_for(question) is not None:
            return f"this limit was {self.origin.replace('by hand', 'by you')}, on the page Test"
        if question.taught and self.own is not None:
            return "the limit that you set on the page Test applies only to the trained classes, so it is not used here"
        return "" if classifier.calibration_.doubt else classifier.calibration_.note


T = TypeVar("T")
Explain = Callable[["Backbone", Photo, Question], "Explanation"]
# How many times as large a photo is looked at once more for finer maps.
FINER = 2.0


@dataclass
class VisitorAnswers:
    """Classifiers, explanations, similarities, figures and pictures: of each kind the last few are kept."""

    photos: VisitorPhotos
    training: VisitorTraining
    limit: VisitorLimit
    _classifiers: Bounded = field(default_factory=lambda: Bounded(6))
    _explanations: Bounded = field(default_factory=lambda: Bounded(24))
    deletions: Bounded = field(default_factory=lambda: Bounded(8))
    _pictures: Bounded = field(default_factory=lambda: Bounded(32))
    _similarities: Bounded = field(default_factory=lambda: Bounded(3))
    _figures: Bounded = field(default_factory=lambda: Bounded(12))
    _others: Bounded = field(default_factory=lambda: Bounded(16))
    _verdicts: Bounded = field(default_factory=lambda: Bounded(4 * MAX_PHOTOS))
    _thumbnails: Bounded = field(default_factory=lambda: Bounded(2 * MAX_PHOTOS))

    def classifier(self, backbone: Backbone, question: Question) -> GalLoPClassifier:
        """Return zero-shot, or what was taught with the further names added; made once for a question.

        Raises:
            ClassNameError, TemplateError: a name or a template that the text encoder cannot take.
        """
        return self._classifiers.get_or((question, self.training.version), lambda: self._classifier(backbone, question))

    def _classifier(self, backbone: Backbone, question: Question) -> GalLoPClassifier:
        from gallop import GalLoPClassifier

        taught = self.training.taught
        if not question.taught or taught is None:
            sizes: dict[str, Any] = {}
            if question.like_taught and taught is not None:
                method = taught.after.model_.config
                sizes = {"global_prompts": method.global_prompts, "topk": method.topk, "method": looks_of(method)}
            empty = GalLoPClassifier(backbone=backbone, cache=False, **sizes)
            return empty.zero_shot(question.names, question.templates)
        return _with_names(taught.after, question)

    def explain(self, backbone: Backbone, photo: Photo, question: Question) -> Explanation:
        """Return the one pass through the backbone for a photo and a question; everything else starts here."""
        key = self._key(photo, question)
        found: Explanation = self._explanations.get_or(key, lambda: self.classifier(backbone, question).explain(photo))
        if question.taught:
            own, taught = self.limit.own_for(question), self.training.taught
            assert taught is not None
            doubt = (
                ""
                if own is not None
                else self.doubt(self.classifier(backbone, question), taught, self.training.version)
            )
            limit = found.threshold if own is None else own
            if (limit, doubt) != (found.threshold, found.doubt):
                found = replace(found, threshold=limit, doubt=doubt)
        self._verdicts.get_or((key, self._limit_of(question)), lambda: found.answer)
        return found

    def doubt(self, classifier: GalLoPClassifier, course: Course, which: Hashable) -> str:
        """Return why the limit that a training found decides nothing, as a sentence; empty where it is sound.

        All pages have it from here: there is none, its own note says so, or far too few of the test photos pass.

        Args:
            which: tells the training from others.
        """
        calibration, names = classifier.calibration_, tuple(classifier.classes_.tolist())
        limit, tests = calibration.threshold, [photo for photo, _ in self.training.tested_with(names, course)]
        if limit is None:
            return f"There is no limit for “none of these” here: {calibration.note.split(': ', 1)[-1]}."

        def shown_by_tests() -> str:
            known = self.asked_of(classifier, tests).ood()[VERDICT] if tests else ()
            return at_limit(known, (), limit, calibration.tpr).doubt

        return self.once(("doubt", which, limit, calibration.tpr, _shas(tests)), shown_by_tests) or calibration.doubt

    def votes(self, photo: Photo, question: Question) -> Mapping[str, ShotVotes]:
        """Return which shots voted, by branch, of a model that was opened and whose photos are on the cards.

        Raises:
            DataError: its head has learned from others.
        """
        taught, learned = self.training.taught, self.training.learned
        if taught is None or not are_all(taught, learned):
            return {}

        def compute() -> GalLoPClassifier:
            return _with_names(recalled(taught, learned, self.photos.features()), question)

        classifier: GalLoPClassifier = self._classifiers.get_or(("recalled", question, self.training.version), compute)
        return self.figure("votes", [photo], question, lambda: classifier.explain(photo).votes)

    def ways(
        self, backbone: Backbone, photo: Photo, question: Question, *, finer: bool
    ) -> tuple[Explain, Explain | None]:
        """Return how a photo is explained with what is there, and how once it has been looked at again; None where it
        need not be. The one place that decides about that.

        Args:
            finer: whether maps of finer regions are wanted.
        """
        twice = len(self.classifier(backbone, question).model_.sight.times) > 1
        if twice and self._explanations.get(self._key(photo, question)) is None:
            return self.explain_first_look, self.explain
        if not finer or twice:
            return self.explain, None
        return (self.explain_closer, None) if self.closer(photo, question) else (self.explain, self.explain_closer)

    def closer(self, photo: Photo, question: Question) -> bool:
        """Return whether there are maps of finer regions of a photo for a question."""
        return self._explanations.get(self._closer(photo, question)) is not None

    def explain_first_look(self, backbone: Backbone, photo: Photo, question: Question) -> Explanation:
        """Return what the first look alone says: shown while a second one is awaited, and no verdict."""

        def compute() -> Explanation:
            from gallop.predictions.explanation import explain_first_look  # with torch

            classifier = self.classifier(backbone, question)
            found = explain_first_look(classifier.model_, photo, classifier.calibration_)
            return replace(found, alike=classifier.prompts.diversity().words)

        return self._explanations.get_or((self._key(photo, question), "first look"), compute)

    def explain_closer(self, backbone: Backbone, photo: Photo, question: Question) -> Explanation:
        """Return the same with maps of finer regions, from a second look at the photo; the answer is the same."""

        def compute() -> Explanation:
            closer = copy.copy(self.classifier(backbone, question))
            closer.set_detail(FINER, "maps")
            return closer.explain(photo)

        found = self.explain(backbone, photo, question)
        if len(found.grids) > 1:  # it was taught to look twice
            return found
        closer: Explanation = self._explanations.get_or(self._closer(photo, question), compute)
        return replace(closer, threshold=found.threshold, doubt=found.doubt)

    def _closer(self, photo: Photo, question: Question) -> Hashable:
        return self._key(photo, question), FINER

    def _key(self, photo: Photo, question: Question) -> Hashable:
        return photo.sha256, question, self.training.version

    def verdict(self, photo: Photo, question: Question) -> str | None:
        """Return the answer in words, at the model's own scales; None for a photo that was not explained yet."""
        return self._verdicts.get((self._key(photo, question), self._limit_of(question)))

    def _limit_of(self, question: Question) -> Hashable:
        """Return what decides about "none of these" beside the classifier: the visitor's limit and the test photos."""
        taught = self.training.taught if question.taught else None
        tests = () if taught is None else self.training.tested_with(taught.names, taught)
        return self.limit.own_for(question), _shas([photo for photo, _ in tests])

    def thumbnail(self, photo: Photo, make: Callable[[], str]) -> str:
        return self._thumbnails.get_or(photo.sha256, make)

    def similarities(self, backbone: Backbone, photos: Sequence[Photo], question: Question) -> Similarities:
        """Return those of many photos at once, each encoded once; at least one."""

        def compute() -> Similarities:
            return self.asked_of(self.classifier(backbone, question), photos)

        return self._similarities.get_or((_shas(photos), question, self.training.version), compute)

    def asked_of(self, classifier: GalLoPClassifier, photos: Sequence[Photo]) -> Similarities:
        """Return the similarities that a classifier has for photos, at least one, each encoded once."""
        from gallop.features.encoding import encode_centres
        from gallop.predictions.predict import similarities

        model = classifier.model_
        return similarities(model, encode_centres(model.backbone, photos, self.photos.features(), sight=model.sight))

    def figure(self, what: str, photos: Sequence[Photo], more: Hashable, compute: Callable[[], T]) -> T:
        """Return something small that was worked out from photos, since the last training."""
        return self._figures.get_or((what, _shas(photos), more, self.training.version), compute)

    def picture(self, explanation: Explanation, key: Hashable, make: Callable[[], T]) -> T:
        """Return something drawn from the similarities of an explanation, whatever its k: drawn once."""
        # Kept beside the picture, so that no other object can take over the number.
        similarities = explanation.similarities
        _, found = self._pictures.get_or((id(similarities), key), lambda: (similarities, make()))
        return found

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return anything else that takes a while and depends on ``key`` alone: made once."""
        return self._others.get_or(key, make)


def _with_names(classifier: GalLoPClassifier, question: Question) -> GalLoPClassifier:
    """Return a copy that knows the further names of a question; the original is unchanged."""
    copied = copy.copy(classifier)  # add_class replaces what it changes
    for name in question.names:
        if name not in classifier.classes_:
            copied.add_class(name)
    return copied


def _shas(photos: Sequence[Photo]) -> tuple[str, ...]:
    return tuple(photo.sha256 for photo in photos)
