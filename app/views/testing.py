"""A test of what was taught: which photos, their answers, other k, and where a label may be wrong.

Knows no Streamlit. Photos are encoded once; everything here starts at similarities that the session keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.visitor.page_state import Question, TunedScales
from app.visitor.session import Session
from gallop import Photo
from gallop.core.scores import class_probabilities
from gallop.evaluation.intervals import Share
from gallop.evaluation.kept_answers import ENSEMBLE, KeptAnswers
from gallop.model.scores import VERDICT

if TYPE_CHECKING:
    from gallop.backbones import Backbone
    from gallop.evaluation.k_sweep import KSweep
    from gallop.evaluation.measure import Evaluation


@dataclass(frozen=True)
class AnsweredPhotos:
    """What the taught prompts say of some photos.

    Attributes:
        photos: B photos.
        probabilities: (B, K) at the scales that are set now.
        ood: every score of cosines, each (B,), larger = more outlier.
    """

    photos: tuple[Photo, ...]
    probabilities: NDArray[np.float32]
    ood: dict[str, NDArray[np.float32]]

    @property
    def outlier(self) -> NDArray[np.float32]:
        """The score that the verdict "none of these" goes by."""
        return self.ood[VERDICT]

    @property
    def kept(self) -> KeptAnswers:
        """What figures are made of."""
        said = self.probabilities.argmax(axis=1)
        return KeptAnswers({ENSEMBLE: said}, self.probabilities.max(axis=1), self.ood)


@dataclass(frozen=True)
class Tested:
    """Held-out photos of the taught classes, and how they were answered."""

    answers: AnsweredPhotos
    evaluation: Evaluation
    zero_shot: Share
    """How many were right before anything was learned."""


@dataclass(frozen=True)
class Doubt:
    """A photo whose label may be wrong, and the probabilities of the class it has and of the one it looks like.

    Attributes:
        learned: it was learned from, and judged by prompts that were learned without it; otherwise it is a test photo.
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
        """The photo's content hash and the class it has."""
        return self.photo.sha256, self.given


@dataclass(frozen=True)
class Swept:
    """Accuracy at every k, and the k that are right most often, with how many photos then are."""

    sweep: KSweep
    best: tuple[int, ...]
    right: int


def taught_question(session: Session) -> Question:
    """The taught classes, asked of the taught prompts."""
    assert session.training.taught is not None
    return Question(session.training.taught.names, taught=True)


def labelled(session: Session) -> tuple[list[tuple[Photo, str]], list[str]]:
    """Test photos of the classes that were taught, and the names of cards whose test photos are left out."""
    taught = session.training.taught
    assert taught is not None
    left_out = [name for name, photos in session.photos.tests().items() if photos and name not in taught.names]
    return session.training.tested_with(taught.names, taught), left_out


def answered(session: Session, backbone: Backbone, photos: Sequence[Photo]) -> AnsweredPhotos | None:
    """None for no photo."""
    if not photos:
        return None
    return session.answers.figure(
        "answers", photos, session.training.scales(), lambda: _answers(session, backbone, photos)
    )


def measure(session: Session, backbone: Backbone) -> Tested | None:
    """None without test photos of the taught classes."""
    pairs, _ = labelled(session)
    photos, classes = [photo for photo, _ in pairs], tuple(name for _, name in pairs)
    found = answered(session, backbone, photos)
    if found is None:
        return None
    return session.answers.figure(
        "tested", photos, (session.training.scales(), classes), lambda: _tested(session, backbone, found, classes)
    )


def doubts(session: Session, tested: Tested | None) -> tuple[list[Doubt], int]:
    """Return the labels that confident learning doubts, the most doubtful first, and how many labels were judged.

    Of photos learned from, and of test photos; those whose label somebody has looked at and kept are not doubted.
    """
    assert session.training.taught is not None
    photos = [photo for photo, _ in session.training.taught.learned]
    found, judged = session.answers.figure("doubts", photos, None, lambda: _learned_doubts(session))
    if tested is not None:
        answers, truth = tested.answers, tested.evaluation.truth
        found = found + _doubts(session, answers.photos, answers.probabilities, truth, learned=False)
        judged += len(truth)
    kept = session.photos.labels_kept
    return sorted(
        (doubt for doubt in found if doubt.label not in kept), key=lambda doubt: doubt.of_given - doubt.of_likely
    ), judged


def tests_changed(session: Session) -> list[str]:
    """Return what has become of the photos that were tested with since the training, as sentences."""
    taught = session.training.taught
    assert taught is not None
    then = {digest: answer for digest, answer in taught.answers.items() if not answer.seen}
    now = {photo.sha256: name for photo, name in session.training.tested_with(taught.names, taught)}
    next_ = {photo.sha256 for some in session.photos.shots().values() for photo in some} & set(now)
    gone = [answer for digest, answer in then.items() if digest not in now]
    renamed = [digest for digest, answer in then.items() if now.get(digest, answer.truth) != answer.truth]
    wrong = sum(not answer.right for answer in gone)
    said = {
        f"{len(next_)} of them it will learn from next: until then they count here.": next_,
        f"{len(gone)} it was tested with are no test photos now, {wrong} of them answered wrongly: that alone moves "
        "this figure.": gone,
        f"{len(renamed)} have another label since the training: that alone moves this figure.": renamed,
    }
    return [sentence for sentence, there in said.items() if there]


def swept(session: Session, backbone: Backbone, tested: Tested) -> Swept:
    """Return it for the test photos, worked out once; nothing is learned, and no photo encoded again."""
    photos, truth = tested.answers.photos, tested.evaluation.truth.tolist()
    topk = session.training.scales()

    def compute() -> Swept:
        from gallop.evaluation.k_sweep import better_k, sweep_k

        found = session.answers.similarities(backbone, photos, taught_question(session))
        return Swept(sweep_k(found, topk, truth), *better_k(found, topk, truth))

    return session.answers.figure("k sweep", photos, (topk, tuple(truth)), compute)


def can_use_scales(session: Session) -> bool:
    """Return whether k can be set for what was taught: the next training may be set to another number of them."""
    return len(session.training.settings.topk) == len(session.training.scales())


def use_scales(session: Session, topk: Sequence[int], tested: Tested) -> None:
    """Let answers be read with these k, here and wherever k can be moved, as if a hand had set them on Teach."""
    session.training.settings = replace(session.training.settings, topk=tuple(topk))
    session.explore = replace(session.explore, scales=tuple(topk))
    session.teach = replace(session.teach, tower=None)  # its form is to show them
    session.test = replace(session.test, tuned=_tuned(session, tested))


def are_tuned(session: Session, tested: Tested) -> bool:
    """Return whether the k that stand were chosen on these test photos, or on some: the figures are then optimistic."""
    now, then = _tuned(session, tested), session.test.tuned
    return then is not None and (then.of, then.topk) == (now.of, now.topk) and bool(then.photos & now.photos)


def _tuned(session: Session, tested: Tested) -> TunedScales:
    photos = frozenset(photo.sha256 for photo in tested.answers.photos)
    return TunedScales(session.training.version, session.training.scales(), photos)


def _learned_doubts(session: Session) -> tuple[list[Doubt], int]:
    taught = session.training.taught
    assert taught is not None
    cross_fit = taught.after.cross_fit_
    if cross_fit is None:  # no class had two photos, or the training was cancelled before
        return [], 0
    mixes = [branch.mix for branch in taught.after.model_.branches]
    index, shares = cross_fit.probabilities(taught.names, taught.after.calibration_.temperature, mixes)
    pairs = [taught.learned[i] for i in index.tolist()]
    labels = np.array([taught.names.index(name) for _, name in pairs])
    return _doubts(session, [photo for photo, _ in pairs], shares.numpy(), labels, learned=True), len(pairs)


def _doubts(
    session: Session,
    photos: Sequence[Photo],
    shares: NDArray[np.float32],
    labels: NDArray[np.intp],
    *,
    learned: bool,
) -> list[Doubt]:
    from gallop.evaluation.measure import suspects

    assert session.training.taught is not None
    names = session.training.taught.names
    return [
        Doubt(photos[s.photo], learned, names[s.given], names[s.likely], s.of_given, s.of_likely, s.usual)
        for s in suspects(shares, labels)
    ]


def _answers(session: Session, backbone: Backbone, photos: Sequence[Photo]) -> AnsweredPhotos:
    assert session.training.taught is not None
    found = session.answers.similarities(backbone, photos, taught_question(session))
    temperature = session.training.taught.after.calibration_.temperature
    shares = class_probabilities(found.logits(session.training.scales()), backbone.logit_scale, temperature)
    ood = {name: score.numpy() for name, score in found.ood().items()}
    return AnsweredPhotos(tuple(photos), shares.numpy(), ood)


def _tested(session: Session, backbone: Backbone, found: AnsweredPhotos, classes: Sequence[str]) -> Tested:
    from gallop.evaluation.measure import Evaluation

    assert session.training.taught is not None
    names = session.training.taught.names
    truth = np.array([names.index(name) for name in classes])
    before = _zero_shot(session, backbone, found.photos, truth)
    return Tested(found, Evaluation(names, truth, found.kept), before)


def _zero_shot(session: Session, backbone: Backbone, photos: Sequence[Photo], truth: NDArray[np.intp]) -> Share:
    assert session.training.taught is not None
    found = session.answers.similarities(backbone, photos, Question(session.training.taught.names, like_taught=True))
    said = np.asarray(found.logits(session.training.scales()).argmax(dim=-1))
    return Share(int((said == truth).sum()), len(truth))
