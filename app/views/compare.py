"""What the page Compare needs: zero-shot on the cards, a run's classifier, further seeds, a run opened again.

Knows no Streamlit, and loads torch only when something is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from app.backbones import BackboneProblem, BackboneRoom, OnBackbone, called
from app.jobs import Steps
from app.library import Backbone, Diversity, Explanation, GalLoPClassifier
from app.runs.run import ZERO_SHOT, Run, classifier_of, same_backbone, siblings, tests, zero_shot_run
from app.teaching.tasks import Teaching, answers_to, check_photos, content, in_series, opened
from app.teaching.training import Answer, Settings, Taught, Watch
from app.visitor.session import Session
from gallop import Photo
from gallop.wording import listed

# No dropout, a middle value, and the paper's.
DROPOUTS = (0.0, 0.5, 0.75)


def photos(session: Session) -> dict[str, Photo]:
    """Return the visitor's photos by content hash: the uploaded ones, then those on the cards."""
    of_cards = [photo for card in session.photos.deck.cards for photo in (*card.tests, *card.shots)]
    return {photo.sha256: photo for photo in (*session.photos.uploaded.values(), *of_cards)}


def photo_names(session: Session) -> dict[str, str]:
    """Return the photos' names: "test/ant/1.jpg" on a card, since files of all classes often have the same name."""
    named = {photo.sha256: photo.name for photo in session.photos.shelf.photos.values()}
    folders = {"shots": "train", "tests": "test"}
    for card, pile, photo in session.photos.deck.photos():
        named[photo.sha256] = f"{folders[pile]}/{card.name}/{photo.name}"
    return named


def untaught(session: Session, backbone: Callable[[], Backbone], runs: Sequence[Run]) -> Run | None:
    """Return the row of zero-shot: on the current cards or, without cards, on the photos of the latest run.

    None where there is neither.
    """
    shots, cards = session.photos.shots(), session.photos.tests()
    pairs = {
        seen: [(photo, name) for name, some in of.items() for photo in some]
        for seen, of in ((True, shots), (False, cards))
    }
    if len(shots) < 2 or not any(pairs.values()):
        return zero_shot_run(runs[0]) if runs else None
    return session.answers.once(
        ("zero-shot", session.training.backbone_name, content(shots), content(cards), tuple(shots)),
        lambda: _untaught(session, backbone(), tuple(shots), pairs),
    )


def _untaught(
    session: Session, backbone: Backbone, names: tuple[str, ...], pairs: Mapping[bool, Sequence[tuple[Photo, str]]]
) -> Run:
    from gallop import GalLoPClassifier

    classifier = GalLoPClassifier(backbone=backbone, cache=False).zero_shot(names)
    answers: dict[str, Answer] = {}
    for seen, some in pairs.items():
        answers |= answers_to(classifier, session.photos.features(), some, seen=seen)
    # Nothing is learned here, but training photos of a run are marked as seen, so that they are no test for either.
    return Run(
        ZERO_SHOT,
        "Zero-shot",
        0.0,
        names,
        None,
        called(backbone.name, backbone.region_kind),
        backbone.fingerprint,
        content=frozenset((name, photo.sha256) for photo, name in pairs[True]),
        answers=answers,
    )


def coop_run(of: Run, runs: Sequence[Run]) -> Run | None:
    """Return a complete CoOp run on the same backbone, training photos and test photos, if there is one."""
    complete = (run for run in runs if run.is_coop and not run.stopped_early and same_backbone(run, of))
    return next((run for run in complete if run.content == of.content and tests(run) == tests(of)), None)


def coop_settings(settings: Settings) -> Settings:
    """Return CoOp's settings: one global prompt, no local ones, no dropout, no later additions; all else as set."""
    return replace(
        settings,
        head="none",
        global_projection=False,
        init=0.0,
        diversity=0.0,
        global_prompts=1,
        topk=(),
        dropout=0.0,
    )


def backbone_of_run(room: BackboneRoom, run: Run) -> str:
    """Return the current name of a run's backbone, which may have changed since.

    Raises:
        BackboneProblem: it is missing, or the backbone of that name has other weights.
    """
    name = (room.named_by(run.fingerprint) if run.fingerprint else "") or run.backbone_name
    if room.listing.seek(name) is None:
        raise BackboneProblem(
            f"{run.name} was trained with the backbone {listed([run.backbone_name])}, which is not available on this "
            "machine. The run stays saved and can still be exported as a zip. To open the run, name that backbone in "
            "--backbones when starting the app."
        )
    return name


def series(session: Session, room: BackboneRoom, backbone_name: str, settings: Sequence[Settings]) -> OnBackbone:
    """Return a task that trains the current cards on a backbone, once with each of these settings."""
    ledger, photos = session.training.ledger, session.photos
    assert ledger is not None
    save, cards = ledger.save, (photos.shots(), photos.tests())

    def make(backbone: Backbone) -> Steps[None]:
        teaching = partial(Teaching, backbone, photos.features(), *cards)
        return Steps(in_series([partial(teaching, each, Watch(), save) for each in settings]))

    return OnBackbone(room, backbone_name, make)


def dropout_runs(pinned: Sequence[Run], runs: Sequence[Run]) -> list[Run]:
    """Return the runs that show what dropout changes: the pinned run with several global prompts, those that differ
    from it only in dropout, and the other pinned one if it has several too.
    """
    several = [run for run in pinned if run.settings is not None and run.settings.global_prompts > 1]
    if not several:
        return []
    # A cancelled run and one that was trained again later are no siblings; and both pins may be the same run.
    return list({run.id: run for run in [*siblings(several[0], runs, but="dropout"), *several]}.values())


def dropouts_left(run: Run, runs: Sequence[Run]) -> list[Settings]:
    """Return the settings of ``run`` with each of ``DROPOUTS`` that keeps a number of prompts not there yet."""
    assert run.settings is not None
    there = {other.settings.kept_prompts for other in siblings(run, runs, but="dropout") if other.settings}
    by_count: dict[int, Settings] = {}
    for dropout in DROPOUTS:
        settings = replace(run.settings, dropout=dropout)
        if settings.kept_prompts not in there:
            by_count.setdefault(settings.kept_prompts, settings)
    return list(by_count.values())


def both_tested(runs: Sequence[Run], photos: Mapping[str, Photo]) -> list[tuple[Photo, str]]:
    """Return the photos here that all these runs were tested on and none was trained on, each with its class."""
    shared = frozenset.intersection(*map(tests, runs))
    return [(photo, runs[0].answers[digest].truth) for digest, photo in photos.items() if digest in shared]


def global_prompts_of(
    session: Session, backbone: Backbone, run: Run, pairs: Sequence[tuple[Photo, str]]
) -> tuple[NDArray[np.float32], Diversity]:
    """Return cosines (M, M) of a run's global prompts' text features for the same class, and how alike its prompts are.

    Computed once; without answers where there are no test photos. Raises as ``classifier_of_run``.
    """
    return session.answers.once(
        ("global prompts", run.id, run.backbone_name, tuple((photo.sha256, name) for photo, name in pairs)),
        lambda: _global_prompts(session, backbone, run, pairs),
    )


def _global_prompts(
    session: Session, backbone: Backbone, run: Run, pairs: Sequence[tuple[Photo, str]]
) -> tuple[NDArray[np.float32], Diversity]:
    from gallop.evaluation import diversity
    from gallop.model.answers import answers

    classifier = classifier_of_run(session, backbone, run)
    texts, names = classifier.model_.cached_text_features(), classifier.classes_.tolist()
    says, truth = diversity.text_cosines(texts.global_), [names.index(name) for _, name in pairs]
    if not pairs:
        return says, diversity.diversity_of(texts)
    similarities = session.answers.asked_of(classifier, [photo for photo, _ in pairs])
    return says, diversity.diversity_of(texts, answers(similarities, classifier.model_.rule()), truth)


def cannot_repeat(session: Session, run: Run) -> str:
    """Return why a run cannot be trained again with another seed, as a sentence; empty where it can."""
    if run.settings is None:
        return "Nothing is learned in zero-shot, so a seed changes nothing."
    shots = session.photos.shots()
    if content(shots) != run.content or {digest for _, digest in content(session.photos.tests())} != tests(run):
        return "It cannot be trained again here because the cards on Teach no longer hold exactly the same photos."
    return check_photos(shots)


def classifier_of_run(session: Session, backbone: Backbone, run: Run) -> GalLoPClassifier:
    """Return a run's classifier, or zero-shot with the prompts behind the table's figures.

    Raises:
        RunsProblem, ModelProblem: it is gone, damaged, or belongs to another backbone.
    """
    return session.answers.once(
        ("classifier", run.id, run.backbone_name, run.class_names), lambda: _classifier(session, backbone, run)
    )


def _classifier(session: Session, backbone: Backbone, run: Run) -> GalLoPClassifier:
    from gallop import GalLoPClassifier

    if run.settings is not None:
        assert session.training.ledger is not None
        return classifier_of(session.training.ledger.files(run.id), backbone)
    return GalLoPClassifier(backbone=backbone, cache=False).zero_shot(run.class_names)


def explain_with_run(session: Session, backbone: Backbone, run: Run, photo: Photo) -> Explanation:
    """Return a photo explained by a run. Raises as ``classifier_of_run``."""
    classifier, which = classifier_of_run(session, backbone, run), (run.id, run.backbone_name, run.class_names)
    explained: Explanation = session.answers.once(
        ("explained", *which, photo.sha256), lambda: classifier.explain(photo)
    )
    return (
        explained if run.settings is None else replace(explained, doubt=session.answers.doubt(classifier, run, which))
    )


def taught_of_run(session: Session, backbone: Backbone, run: Run) -> Taught:
    """Return a run as a training's result, so that it can be used. Raises as ``classifier_of_run``."""
    assert run.settings is not None
    return opened(_classifier(session, backbone, run), backbone, run.settings, run)
