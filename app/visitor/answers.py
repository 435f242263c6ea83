"""Results computed from a visitor's photos, once for each backbone and taught model; the threshold for "none of these".

Knows no Streamlit, and loads torch when something is computed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from app.library import (
    Answers,
    Backbone,
    Explanation,
    GalLoPClassifier,
    InWords,
    Rule,
    ShotVotes,
    Similarities,
    WordScores,
)
from app.photos.shelf import thumbnail_url
from app.teaching.tasks import are_all, recalled
from app.teaching.training import TrainingRecord, same_detail
from app.visitor.page_state import Question
from app.visitor.photos import Bounded, VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop import Photo
from gallop.data.project_file import MOST_CARDS, MOST_ON_SHELF
from gallop.evaluation.limits import at_limit
from gallop.maps.shown_photo import photo_url
from gallop.model.scores import VERDICT


@dataclass
class VisitorLimit:
    """The limit above which an outlier score means none of the taught classes."""

    training: VisitorTraining
    # Those that the visitor has set, by the number of the taught model, each with its origin.
    _set: dict[int, tuple[float | None, str]] = field(default_factory=dict)

    @property
    def custom(self) -> float | None:
        """The limit that the visitor has set since the last training; None without one."""
        return self._set.get(self.training.number, (None, ""))[0]

    @property
    def origin(self) -> str:
        """The origin of the custom limit, in the words of a model card; empty without one."""
        return self._set.get(self.training.number, (None, ""))[1]

    @property
    def value(self) -> float | None:
        """The limit in use: the custom one, or the one estimated in training."""
        if self.custom is not None or self.training.taught is None:
            return self.custom
        return self.training.taught.after.calibration_.threshold

    def set_to(self, value: float | None, photos: int = 0) -> None:
        """Set a custom limit; None goes back to the one that was estimated in training.

        Args:
            photos: how many test photos it was taken from; 0 where it was set by hand.
        """
        origin = f"taken from {photos} test photos, to accept 95 % of them" if photos else "set by hand"
        self._set[self.training.number] = (None, "") if value is None else (value, origin)

    def custom_for(self, question: Question) -> float | None:
        """Return the custom limit if it applies: only for the trained classes, on whose list scores depend."""
        taught = self.training.taught
        asked = question.taught and taught is not None and set(question.names) == set(taught.names)
        return self.custom if asked else None

    def note(self, question: Question, classifier: GalLoPClassifier) -> str:
        """Return the origin of the limit that applies to a question, if it is worth a note."""
        if self.custom_for(question) is not None:
            return f"this threshold was {self.origin.replace('by hand', 'by you')}, on the page Test"
        if question.taught and self.custom is not None:
            return "the threshold that you set on Test applies only to the trained classes, so it is not used here"
        return "" if classifier.calibration_.doubt else classifier.calibration_.note


T = TypeVar("T")
Explain = Callable[["Backbone", Photo, Question], "Explanation"]
# Size of the second look for maps, relative to the first.
SECOND_LOOK_DETAIL = 2.0


@dataclass
class VisitorAnswers:
    """Classifiers, explanations, similarities, figures and pictures; the last few of each kind are cached."""

    photos: VisitorPhotos
    training: VisitorTraining
    limit: VisitorLimit
    _classifiers: Bounded = field(default_factory=lambda: Bounded(6))
    _explanations: Bounded = field(default_factory=lambda: Bounded(24))
    _covered: Bounded = field(default_factory=lambda: Bounded(8))
    _pictures: Bounded = field(default_factory=lambda: Bounded(32))
    _similarities: Bounded = field(default_factory=lambda: Bounded(3))
    _figures: Bounded = field(default_factory=lambda: Bounded(12))
    _others: Bounded = field(default_factory=lambda: Bounded(16))
    _verdicts: Bounded = field(default_factory=lambda: Bounded(4 * MOST_ON_SHELF))
    _thumbnails: Bounded = field(default_factory=lambda: Bounded(2 * (MOST_ON_SHELF + MOST_CARDS)))

    def classifier(self, backbone: Backbone, question: Question) -> GalLoPClassifier:
        """Return the zero-shot classifier, or the taught one with further names added; made once for each question.

        Raises:
            ClassNameError, TemplateError: the text encoder cannot encode a name or a template.
        """
        return self._classifiers.get_or(
            (question, self._version(question)), lambda: self._classifier(backbone, question)
        )

    def _classifier(self, backbone: Backbone, question: Question) -> GalLoPClassifier:
        from gallop import GalLoPClassifier

        taught = self.training.run_before if question.earlier else self.training.taught
        if not question.taught or taught is None:
            sizes: dict[str, Any] = {}
            if question.like_taught and taught is not None:
                method = taught.after.model_.config
                sizes = {"global_prompts": method.global_prompts, "topk": method.topk, **same_detail(method)}
            empty = GalLoPClassifier(backbone=backbone, cache=False, **sizes)
            return empty.zero_shot(question.names, question.templates[: sizes.get("global_prompts")])
        return _with_names(taught.after, question)

    def explain(self, backbone: Backbone, photo: Photo, question: Question) -> Explanation:
        """Return the explanation of a photo for a question, from one pass through the backbone."""
        key = self._key(photo, question)
        explanation: Explanation = self._explanations.get_or(
            key, lambda: self.classifier(backbone, question).explain(photo)
        )
        taught = self.training.run_before if question.earlier else self.training.taught
        if question.taught and taught is not None:
            custom = None if question.earlier else self.limit.custom_for(question)
            doubt = (
                ""
                if custom is not None
                else self.doubt(self.classifier(backbone, question), taught, self._version(question))
            )
            limit = explanation.threshold if custom is None else custom
            explanation = replace(explanation, rule=replace(explanation.rule, threshold=limit), doubt=doubt)
        self._verdicts.get_or((key, self._limit_of(question)), lambda: explanation.answer)
        return explanation

    def rule(self, classifier: GalLoPClassifier) -> Rule:
        """Return how a classifier answers now: at the k in use, and by the limit in force."""
        rule = classifier.model_.rule(classifier.calibration_, self.training.scales())
        return replace(rule, threshold=self.limit.value)

    def doubt(self, classifier: GalLoPClassifier, record: TrainingRecord, which: Hashable) -> str:
        """Return why the limit of a training is not applied, as a sentence; empty where it is sound.

        The one check for all pages: there is no limit, its note explains why it is unsound, or far too few of the
        test photos pass.

        Args:
            which: identifies the training.
        """
        calibration, names = classifier.calibration_, tuple(classifier.classes_.tolist())
        limit, tests = calibration.threshold, [photo for photo, _ in self.training.tested_with(names, record)]
        if limit is None:
            return f"There is no threshold for “none of these” here: {calibration.note.split(': ', 1)[-1]}."

        if self.training.is_retraining:  # it is that of the run before, whatever tests show
            return calibration.doubt

        def shown_by_tests() -> str:
            known = self.asked_of(classifier, tests).ood[VERDICT] if tests else ()
            return at_limit(known, (), limit, calibration.tpr).doubt

        return self.once(("doubt", which, limit, calibration.tpr, _shas(tests)), shown_by_tests) or calibration.doubt

    def votes(self, photo: Photo, question: Question) -> Mapping[str, ShotVotes]:
        """Return which shots voted, by branch, for an opened model whose photos are on the cards.

        Raises:
            DataError: its head was trained on other photos.
        """
        taught, learned = self.training.taught, self.training.learned
        if taught is None or not are_all(taught, learned):
            return {}
        classifier = self._classifiers.get_or(
            ("recalled", question, self.training.version),
            lambda: _with_names(recalled(taught, learned, self.photos.features()), question),
        )
        return self.figure("votes", [photo], question, lambda: classifier.explain(photo).votes)

    def words(self, backbone: Backbone, question: Question, class_name: str) -> list[InWords]:
        """Return what each prompt of a question says of a class in words, from one pass of the text encoder."""
        key = ("words", question, class_name, self.training.version)
        return self.once(key, lambda: self.classifier(backbone, question).prompts.in_words(class_name))

    def words_of(
        self, backbone: Backbone, photo: Photo, question: Question, class_name: str | None = None
    ) -> dict[str, WordScores]:
        """Return the scores on a photo that are taken apart into words, by class, for ``Explanation.words``.

        Args:
            class_name: a class that is taken apart now, where it was not before.
        """
        held: dict[str, WordScores] = self.once(("word scores", self._key(photo, question)), dict)
        if class_name is not None and class_name not in held:
            from gallop.features.encoding import encode_photos
            from gallop.model.in_words import word_scores

            model = self.classifier(backbone, question).model_
            features = encode_photos(backbone, [photo], model.map_sight)[0]
            held[class_name] = word_scores(model, features, self.words(backbone, question, class_name))
        return dict(held)

    def ways(
        self, backbone: Backbone, photo: Photo, question: Question, *, second_look: bool
    ) -> tuple[Explain, Explain | None]:
        """Return how a photo is explained now, and how after a second look; None where no second look is needed.

        Args:
            second_look: whether maps from a second look are wanted.
        """
        twice = len(self.classifier(backbone, question).model_.sight.times) > 1
        if twice and self._explanations.get(self._key(photo, question)) is None:
            return self.explain_first_look, self.explain
        if not second_look or twice:
            return self.explain, None
        return (
            (self.explain_second_look, None)
            if self.has_second_look(photo, question)
            else (self.explain, self.explain_second_look)
        )

    def has_second_look(self, photo: Photo, question: Question) -> bool:
        """Return whether the maps from a second look at a photo for a question are cached."""
        return self._explanations.get(self._second_look_key(photo, question)) is not None

    def explain_first_look(self, backbone: Backbone, photo: Photo, question: Question) -> Explanation:
        """Return the explanation from the first look alone: shown until the second is done, without a verdict."""

        def compute() -> Explanation:
            from gallop.predictions.explanation import explain_first_look  # with torch

            classifier = self.classifier(backbone, question)
            explanation = explain_first_look(classifier.model_, photo, classifier.calibration_)
            return replace(explanation, alike=classifier.prompts.diversity().words)

        return self._explanations.get_or((self._key(photo, question), "first look"), compute)

    def explain_second_look(self, backbone: Backbone, photo: Photo, question: Question) -> Explanation:
        """Return the explanation with maps from a second look at the photo; the answer is unchanged."""

        def compute() -> Explanation:
            classifier = copy.copy(self.classifier(backbone, question))
            classifier.set_detail(SECOND_LOOK_DETAIL, "maps")
            return classifier.explain(photo)

        first = self.explain(backbone, photo, question)
        if len(first.grids) > 1:  # it was trained with two looks
            return first
        second: Explanation = self._explanations.get_or(self._second_look_key(photo, question), compute)
        return replace(second, rule=first.rule, doubt=first.doubt)

    def covered(
        self,
        backbone: Backbone,
        photo: Photo,
        question: Question,
        explanation: Explanation,
        regions: tuple[int, ...],
        fill: str,
    ) -> Explanation:
        """Return an explanation of a photo with these regions of it covered; ``fill`` as for ``covering.cover``."""

        def compute() -> Explanation:
            from gallop.predictions.covering import covered  # with torch

            model, looks = self.classifier(backbone, question).model_, len(explanation.grids)
            if len(model.map_sight.times) != looks:
                sight: Any = {"detail": SECOND_LOOK_DETAIL if looks > 1 else 1.0, "detail_in": "maps"}
                model = model.with_config(replace(model.config, **sight))
            return covered(model, explanation, regions, fill)

        made = self._covered.get_or((self._key(photo, question), explanation.grids, regions, fill), compute)
        return replace(explanation, similarities=made.similarities, image=made.image, votes={}, words={})

    def _second_look_key(self, photo: Photo, question: Question) -> Hashable:
        return self._key(photo, question), SECOND_LOOK_DETAIL

    def _key(self, photo: Photo, question: Question) -> Hashable:
        return photo.sha256, question, self._version(question)

    def _version(self, question: Question) -> Hashable:
        """Return what answers: the taught model, or the classifier of the run before."""
        run = self.training.run_before
        return run.after if question.earlier and run is not None else self.training.version

    def before(self, question: Question) -> Question:
        """Return a question to the taught prompts as it is asked of what they are compared with: of the run before, if
        that has the same classes and as many prompts, else of zero-shot.
        """
        now, run = self.training.taught, self.training.run_before
        if now is None or run is None or not set(run.names) <= set(question.names):
            return Question(question.names, like_taught=True)
        sizes = [each.after.model_.config.sizes for each in (now, run)]
        if sizes[0] != sizes[1] or set(run.names) != set(now.names):
            return Question(question.names, like_taught=True)
        return replace(question, earlier=True)

    def verdict(self, photo: Photo, question: Question) -> str | None:
        """Return the answer in words, at the model's scales; None for a photo that was not explained yet."""
        return self._verdicts.get((self._key(photo, question), self._limit_of(question)))

    def _limit_of(self, question: Question) -> Hashable:
        """Return what decides about "none of these" besides the classifier: the custom limit and the test photos."""
        taught = self.training.taught if question.taught else None
        tests = () if taught is None else self.training.tested_with(taught.names, taught)
        return self.limit.custom_for(question), _shas([photo for photo, _ in tests])

    def thumbnail(self, photo: Photo, make: Callable[[], str] | None = None, of: Hashable = None) -> str:
        """Return a small picture of a photo, made once; ``of`` is what else it shows, where ``make`` makes it."""
        return self._thumbnails.get_or((photo.sha256, of), make or (lambda: thumbnail_url(photo.image)))

    def answered(self, backbone: Backbone, photos: Sequence[Photo], question: Question) -> Answers:
        """Return the answers to at least one photo, at the k in use."""
        from gallop.model.answers import answers  # with torch

        classifier, key = self.classifier(backbone, question), (_shas(photos), question, self.training.version)
        return answers(self._similarities.get_or(key, lambda: self.asked_of(classifier, photos)), self.rule(classifier))

    def asked_of(self, classifier: GalLoPClassifier, photos: Sequence[Photo]) -> Similarities:
        """Return the similarities that a classifier has for photos, at least one; each photo is encoded once."""
        from gallop.features.encoding import encode_centres
        from gallop.predictions.predict import similarities

        model = classifier.model_
        return similarities(model, encode_centres(model.backbone, photos, self.photos.features(), sight=model.sight))

    def figure(self, what: str, photos: Sequence[Photo], more: Hashable, compute: Callable[[], T]) -> T:
        """Return a small result that is computed from photos, cached until the next training."""
        return self._figures.get_or((what, _shas(photos), more, self.training.version), compute)

    def picture(self, explanation: Explanation, key: Hashable, make: Callable[[], T]) -> T:
        """Return a picture drawn from the similarities of an explanation, whatever its k; drawn once."""
        # Stored with the picture, so that no other object can get the same id.
        similarities = explanation.similarities
        _, picture = self._pictures.get_or((id(similarities), key), lambda: (similarities, make()))
        return picture

    def photo_url(self, explanation: Explanation) -> str:
        """Return the photo for the grids, made once: a browser that has it does not load it again."""
        return self.picture(explanation, "photo", lambda: photo_url(explanation.image, explanation.crop))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return any other slow result that depends on ``key`` alone; made once."""
        return self._others.get_or(key, make)


def _with_names(classifier: GalLoPClassifier, question: Question) -> GalLoPClassifier:
    """Return a copy of the classifier with the question's names added as classes."""
    copied = copy.copy(classifier)  # add_class replaces what it changes
    for name in question.names:
        if name not in classifier.classes_:
            copied.add_class(name)
    return copied


def _shas(photos: Sequence[Photo]) -> tuple[str, ...]:
    return tuple(photo.sha256 for photo in photos)
