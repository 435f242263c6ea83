"""Tests of what was taught: answers to photos, prompts compared, and labels that are missing or wrong.

Knows no Streamlit. Photos are encoded once; everything here starts from features or similarities that are cached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app import text
from app.library import (
    Backbone,
    Diversity,
    Evaluation,
    Explanation,
    ImageFeatures,
    Predictions,
    Worth,
)
from app.photos.shelf import thumbnail_url
from app.shared_backbones import DEFAULT_BACKBONE
from app.views.exploring import PhotoTile
from app.visitor.page_state import Group, Question
from app.visitor.session import Session
from gallop import Photo
from gallop.config import HEADS
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.scored_answers import ScoredAnswers
from gallop.model.scores import VERDICT
from gallop.wording import NONE_OF_THESE


@dataclass(frozen=True)
class AnsweredPhotos:
    """The answers of the taught prompts to some photos.

    Attributes:
        photos: B photos.
        found: the answers to them at the current scales.
    """

    photos: tuple[Photo, ...]
    found: Predictions

    @property
    def outlier(self) -> NDArray[np.float32]:
        """The score that decides about "none of these"."""
        return self.found.ood[VERDICT]

    @property
    def for_evaluation(self) -> ScoredAnswers:
        return ScoredAnswers.of(self.found)


@dataclass(frozen=True)
class Tested:
    """Held-out photos of the taught classes, and how they were answered.

    Attributes:
        zero_shot: the proportion right before anything was learned.
        elsewhere: that the photos look unlike the shots, as a sentence; empty where they do not.
    """

    answers: AnsweredPhotos
    evaluation: Evaluation
    zero_shot: Proportion
    elsewhere: str


@dataclass(frozen=True)
class Doubt:
    """A photo whose label may be wrong, and the probabilities of the class it has and of the one it looks like.

    Attributes:
        learned: it is a training photo, judged by prompts that were trained without it; otherwise it is a test photo.
        usual: the mean probability that photos of the class it looks like have for that class.
    """

    photo: Photo
    learned: bool
    given: str
    likely: str
    of_given: float
    of_likely: float
    usual: float

    @property
    def label(self) -> tuple[str, str]:
        return self.photo.sha256, self.given


def taught_question(session: Session) -> Question:
    return Question(session.training.taught_model.names, taught=True)


def labelled(session: Session) -> tuple[list[tuple[Photo, str]], list[str]]:
    """Return the test photos of the trained classes, and the names of cards whose test photos are left out."""
    taught = session.training.taught_model
    left_out = [name for name, photos in session.photos.tests().items() if photos and name not in taught.names]
    return session.training.tested_with(taught.names, taught), left_out


def answered(session: Session, backbone: Backbone, photos: Sequence[Photo]) -> AnsweredPhotos | None:
    if not photos:
        return None
    return session.answers.figure(
        "answers", photos, session.training.scales(), lambda: _answers(session, backbone, photos)
    )


def measure(session: Session, backbone: Backbone) -> Tested | None:
    pairs, _ = labelled(session)
    photos, classes = [photo for photo, _ in pairs], tuple(name for _, name in pairs)
    answers = answered(session, backbone, photos)
    if answers is None:
        return None
    return session.answers.figure(
        "tested", photos, (session.training.scales(), classes), lambda: _tested(session, backbone, answers, classes)
    )


def limit_doubt(session: Session) -> str:
    """Return why the limit in force decides nothing; empty where it does."""
    taught = session.training.taught_model
    set_by_visitor = session.limit.custom is not None
    return "" if set_by_visitor else session.answers.doubt(taught.after, taught, session.training.version)


def verdicts(session: Session, backbone: Backbone, answers: AnsweredPhotos) -> list[bool | None]:
    """Return of each photo whether it is none of these by the limit in force; None where nothing decides."""
    rule = session.answers.rule(session.answers.classifier(backbone, taught_question(session)))
    verdict = None if limit_doubt(session) else rule.verdict(answers.outlier, answers.found.probabilities)
    return [None] * len(answers.photos) if verdict is None else verdict.tolist()


MISTAKES, CALLED_NONE, CALLED_A_CLASS = "mistakes", "called none of these", "called a class"


@dataclass(frozen=True)
class TestedPhoto:
    """A photo, its class and the answer (either may be ``NONE_OF_THESE``), and how sure and how strange the answer is.

    Attributes:
        probability: of the most probable class.
    """

    photo: Photo
    really: str
    answer: str
    probability: float
    outlier: float


def groups(session: Session, backbone: Backbone, tested: Tested) -> dict[Group, list[TestedPhoto]]:
    """Return the tested photos in groups that have some: of each kind, and of each pair of classes (true one, answer).

    Mistakes and pairs begin with the surest answer, photos of a class that are called none of these with the strangest,
    and photos of none that are called a class with the least strange. The pair most often confused is first.
    """
    evaluation, odd = tested.evaluation, verdicts(session, backbone, tested.answers)
    names, matrix = evaluation.class_names, evaluation.confusion
    known = _tested_photos(tested.answers, names, [names[k] for k in evaluation.truth])
    wrong = [photo for photo in known if photo.answer != photo.really]
    found: dict[Group, list[TestedPhoto]] = {MISTAKES: sorted(wrong, key=lambda photo: -photo.probability)}
    if None not in odd:
        none = [replace(photo, answer=NONE_OF_THESE) for photo, is_odd in zip(known, odd, strict=True) if is_odd]
        found[CALLED_NONE] = sorted(none, key=lambda photo: -photo.outlier)
        other = answered(session, backbone, list(session.photos.unknown.photos.values()))
        if other is not None:
            others = _tested_photos(other, names, [NONE_OF_THESE] * len(other.photos))
            called = zip(others, verdicts(session, backbone, other), strict=True)
            accepted = [photo for photo, is_odd in called if not is_odd]
            found[CALLED_A_CLASS] = sorted(accepted, key=lambda photo: photo.outlier)
    pairs = [(int(i), int(j)) for i, j in np.argwhere(matrix)]
    for pair in sorted(pairs, key=lambda pair: (pair[0] == pair[1], -matrix[pair])):
        found[pair] = [known[i] for i in evaluation.cell(*pair)]
    return {group: photos for group, photos in found.items() if photos}


def _tested_photos(answers: AnsweredPhotos, names: Sequence[str], really: Sequence[str]) -> list[TestedPhoto]:
    rows = zip(answers.photos, really, answers.found.probabilities, answers.outlier.tolist(), strict=True)
    return [TestedPhoto(photo, name, names[row.argmax()], float(row.max()), odd) for photo, name, row, odd in rows]


def tiles(
    session: Session, backbone: Backbone, photos: Sequence[TestedPhoto], selected: Sequence[Photo], *, sure: bool
) -> list[PhotoTile]:
    """Return the photos with their maps; without ``sure`` no probabilities."""
    shots = {photo.sha256 for some in session.photos.shots().values() for photo in some}
    made = []
    for tested in photos:
        photo, chance = tested.photo, f", {text.percent(tested.probability)}" if sure else ""
        words = "right" if tested.answer == tested.really else f"really {tested.really}"
        made.append(
            PhotoTile(
                photo.sha256,
                tested.answer + (chance if tested.answer != NONE_OF_THESE else ""),
                _map_url(session, backbone, photo),
                "to be learned" if photo.sha256 in shots else words,
                about=photo.name,
                selected=photo in selected,
            )
        )
    return made


# Pixels of a square with a map.
_TILE = 160


def _map_url(session: Session, backbone: Backbone, photo: Photo) -> str:
    """Return a photo with the map of its answer, as the explainer shows it first, in a data URL."""
    topk = session.training.scales()

    def make() -> str:
        from gallop.predictions.explanation import explanation_of

        classifier = session.answers.classifier(backbone, taught_question(session))
        similarities = session.answers.asked_of(classifier, [photo])  # no pass: its features are cached
        crop = backbone.preprocess.centre(photo.image)[1]
        explanation = explanation_of(classifier.model_, similarities, photo.image, crop, classifier.calibration_)
        return thumbnail_url(_map_picture(explanation.with_topk(topk)), (_TILE, _TILE))

    return session.answers.thumbnail(photo, make, of=(session.training.version, topk))


def _map_picture(explanation: Explanation) -> Image.Image:
    from gallop.maps.map_style import BranchSubject, Subject, branch_scale, shared_scale
    from gallop.maps.pictures import map_picture, seen_picture

    label, side = explanation.label, 2 * _TILE
    if explanation.topk:
        return map_picture(Subject(explanation, label), 0, scale=shared_scale(explanation), side=side)
    for branch in explanation.branches:
        subject = BranchSubject(explanation, label, branch=branch)
        return map_picture(subject, 0, scale=branch_scale(explanation, branch), side=side)
    return seen_picture(explanation, side=side)


def doubts(session: Session, tested: Tested | None) -> tuple[list[Doubt], int]:
    """Return the labels that confident learning doubts, the most doubtful first, and how many labels were judged.

    These are labels of training and of test photos, without those that the visitor has confirmed.
    """
    doubted, judged = session.answers.figure(
        "doubts", [photo for photo, _ in session.training.taught_model.learned], None, lambda: _learned_doubts(session)
    )
    if tested is not None:
        answers, truth = tested.answers, tested.evaluation.truth
        doubted = doubted + _doubts(session, answers.photos, answers.found.probabilities, truth, learned=False)
        judged += len(truth)
    confirmed = session.photos.confirmed_labels
    return sorted(
        (doubt for doubt in doubted if doubt.label not in confirmed), key=lambda doubt: doubt.of_given - doubt.of_likely
    ), judged


def tests_changed(session: Session) -> list[str]:
    """Return what has changed about the test photos since the training, as sentences."""
    taught = session.training.taught_model
    then = {digest: answer for digest, answer in taught.answers.items() if not answer.seen}
    now = {photo.sha256: name for photo, name in session.training.tested_with(taught.names, taught)}
    next_ = {photo.sha256 for some in session.photos.shots().values() for photo in some} & set(now)
    gone = [answer for digest, answer in then.items() if digest not in now]
    renamed = [digest for digest, answer in then.items() if now.get(digest, answer.truth) != answer.truth]
    wrong = sum(not answer.right for answer in gone)
    sentences = {
        f"Now training photos: {len(next_)}. They still count here until the next training.": next_,
        f"No longer test photos: {len(gone)} ({wrong} answered wrongly). That alone changes this figure.": gone,
        f"Labels changed since training: {len(renamed)}. That alone changes this figure.": renamed,
    }
    return [sentence for sentence, there in sentences.items() if there]


def _learned_doubts(session: Session) -> tuple[list[Doubt], int]:
    taught = session.training.taught_model
    folds = taught.after.cross_fit_  # None: no class had two photos, or the training was cancelled before
    held = None if folds is None else folds.predictions(taught.after.model_, taught.after.calibration_)
    if held is None:
        return [], 0
    index, labels, answers = held
    photos = [taught.learned[i][0] for i in index.tolist()]
    return _doubts(session, photos, answers.probabilities, labels.numpy(), learned=True), len(photos)


def _doubts(
    session: Session,
    photos: Sequence[Photo],
    probabilities: NDArray[np.float32],
    labels: NDArray[np.intp],
    *,
    learned: bool,
) -> list[Doubt]:
    from gallop.evaluation.measure import suspects

    names = session.training.taught_model.names
    return [
        Doubt(photos[s.photo], learned, names[s.given], names[s.likely], s.of_given, s.of_likely, s.usual)
        for s in suspects(probabilities, labels)
    ]


def _answers(session: Session, backbone: Backbone, photos: Sequence[Photo]) -> AnsweredPhotos:
    from gallop.predictions.predict import predictions_of

    names = session.training.taught_model.names
    return AnsweredPhotos(
        tuple(photos), predictions_of(names, session.answers.answered(backbone, photos, taught_question(session)))
    )


def _tested(session: Session, backbone: Backbone, answers: AnsweredPhotos, classes: Sequence[str]) -> Tested:
    from gallop.evaluation.measure import Evaluation

    names = session.training.taught_model.names
    truth = np.array([names.index(name) for name in classes])
    before = session.answers.answered(backbone, answers.photos, Question(names, like_taught=True))
    right = np.asarray(before.labels) == truth
    evaluation = Evaluation(names, truth, answers.for_evaluation)
    elsewhere = session.training.taught_model.after.calibration_.unlike(answers.outlier, known=True)
    return Tested(answers, evaluation, Proportion(int(right.sum()), len(truth)), elsewhere)


@dataclass(frozen=True)
class Figures:
    """Of M global and N local prompts on B photos; shapes as in ``gallop.evaluation.diversity``.

    Attributes:
        global_prompts: M.
        diversity: how alike the prompts are, in the words that lead the page.
        accuracy: of all prompts and further branches together.
        worths: of each prompt, global ones first.
        best: of each prompt's card, the photos, by index, and a region of each; None for a global prompt.
    """

    global_prompts: int
    diversity: Diversity
    topk: tuple[int, ...]
    grid: tuple[int, int]
    accuracy: Proportion
    worths: tuple[Worth, ...]
    best: tuple[tuple[tuple[int, int | None], ...], ...]
    branches: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        kinds = {"global": self.global_prompts, "local": len(self.topk)}
        return [f"{kind} {p}" for kind, count in kinds.items() for p in range(1, count + 1)]


def figures(session: Session, backbone: Backbone, pairs: Sequence[tuple[Photo, str]]) -> Figures:
    """Return the figures for photos (at least one, with the class of each) and scales, computed once."""
    labels = tuple(session.training.taught_model.names.index(name) for _, name in pairs)
    photos = [photo for photo, _ in pairs]
    return session.answers.figure(
        "prompts", photos, (session.training.scales(), labels), lambda: _figures(session, backbone, photos, labels)
    )


def _figures(session: Session, backbone: Backbone, photos: Sequence[Photo], labels: tuple[int, ...]) -> Figures:
    from gallop.evaluation import diversity

    found = session.answers.answered(backbone, photos, taught_question(session))
    texts, topk = session.training.taught_model.after.model_.cached_text_features(), found.rule.topk
    right = int((np.asarray(found.labels) == labels).sum())
    whole = [diversity.best_photos(found.global_, labels, m) for m in range(found.global_.shape[-1])]
    regions = [diversity.best_regions(found.similarities, labels, n) for n in range(len(topk))]
    return Figures(
        global_prompts=len(whole),
        diversity=diversity.diversity_of(texts, found, labels),
        topk=topk,
        grid=backbone.vision.grid,
        accuracy=Proportion(right, len(photos)),
        worths=tuple(diversity.worths(found, labels)),
        best=(
            *(tuple((i, None) for i in row) for row in whole),
            *(tuple((at.photo, at.region) for at in row) for row in regions),
        ),
        branches=tuple(HEADS[name].title for name in found.similarities.branch_scores),
    )


PATCH = (192, 128)
"""Pixels of a small picture of a region."""


def region_url(backbone: Backbone, photo: Photo, region: int, grid: tuple[int, int]) -> str:
    """Return a region of a photo, with what is around it, as a small picture in a data URL."""
    from gallop.maps.pictures import region_picture

    return thumbnail_url(region_picture(photo.image, region, grid, backbone.preprocess.centre(photo.image)[1]), PATCH)


def lit_url(backbone: Backbone, photo: Photo, cells: Any) -> str:
    """Return what the model saw of a photo, darkened but for some cells, as a small picture in a data URL."""
    from gallop.maps.pictures import lit_picture

    return thumbnail_url(lit_picture(photo.image, cells, backbone.preprocess.centre(photo.image)[1]), PATCH)


def unlabelled(session: Session) -> list[Photo]:
    """Return the uploaded photos that are on no card and not marked as none of the classes."""
    photos = session.photos
    known = {photo.sha256 for card in photos.deck.cards for photo in card.all} | set(photos.unknown.photos)
    return [photo for photo in photos.uploaded.values() if photos.as_on_card(photo) not in known]


def next_photo(session: Session, backbone: Backbone) -> tuple[Photo, str] | None:
    """Return the photo without a label whose label helps most, and why, as a sentence; None where there is no choice.

    It needs a taught model.
    """
    photos = unlabelled(session)
    answers = answered(session, backbone, photos) if len(photos) > 1 else None  # one alone is the photo shown
    if answers is None:
        return None

    def compute() -> Any:
        from gallop.predictions.next_to_label import next_to_label

        return next_to_label(answers.found.probabilities, features_of(session, backbone, photos).global_)[0]

    names = taught_question(session).names
    asked = session.answers.figure("next", photos, session.training.scales(), compute)
    best, second = (text.markdown(text.shorten(names[k])) for k in (asked.best, asked.second))
    return photos[asked.photo], f"Uncertain: {best} or {second}, {100 * asked.margin:.0f} points apart."


def features_of(session: Session, backbone: Backbone, photos: Sequence[Photo]) -> ImageFeatures:
    """Return the features of photos, of which there must be some; each photo is encoded once."""
    from gallop.features.encoding import ImageFeatures, encode_centres

    return ImageFeatures.cat(list(encode_centres(backbone, photos, session.photos.features())))


_Labelled = Sequence[tuple[Photo, str]]


@dataclass(frozen=True)
class Twins:
    """A test photo and the training photo that it looks like, each with its class."""

    tested: Photo
    tested_of: str
    learned: Photo
    learned_of: str

    @property
    def key(self) -> tuple[str, str]:
        return self.tested.sha256, self.learned.sha256


def twins(session: Session, backbone: Backbone) -> list[Twins]:
    """Return them, the most alike first, without the accepted ones; nothing on a backbone other than ``mini``.

    The limit of similarity was measured on ``mini``, and cosines of other backbones have other scales.
    """
    shots, tests = _labelled(session.photos.shots()), _labelled(session.photos.tests())
    if session.training.backbone_name != DEFAULT_BACKBONE or not shots or not tests:
        return []
    pairs = session.answers.figure(
        "twins", [photo for photo, _ in (*shots, *tests)], len(shots), lambda: _pairs(session, backbone, shots, tests)
    )
    all_twins = [Twins(*tests[second], *shots[first]) for first, second in pairs]
    return [each for each in all_twins if each.key not in session.photos.accepted_twins]


def _labelled(photos: Mapping[str, Sequence[Photo]]) -> _Labelled:
    return [(photo, name) for name, some in photos.items() for photo in some]


def _pairs(session: Session, backbone: Backbone, shots: _Labelled, tests: _Labelled) -> list[tuple[int, int]]:
    from gallop.features.near_duplicates import near_duplicates

    first, second = (features_of(session, backbone, [photo for photo, _ in some]) for some in (shots, tests))
    return near_duplicates(first, second)
