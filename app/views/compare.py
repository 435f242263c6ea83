"""What runs on the page Test need: the backbone of a run, its classifier, a photo explained by it, a run opened again.

Knows no Streamlit, and loads torch only when something is computed.
"""

from __future__ import annotations

from app.backbones import BackboneProblem, BackboneRoom
from app.library import Backbone, GalLoPClassifier
from app.runs.run import Run, classifier_of
from app.teaching.tasks import opened
from app.teaching.training import Taught
from app.visitor.session import Session
from gallop import Photo
from gallop.wording import listed


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


def classifier_of_run(session: Session, backbone: Backbone, run: Run) -> GalLoPClassifier:
    """Return a run's classifier, or zero-shot on its classes.

    Raises:
        RunsProblem, ModelProblem: it is gone, damaged, or belongs to another backbone.
    """
    from gallop import GalLoPClassifier

    if run.settings is None:
        return GalLoPClassifier(backbone=backbone, cache=False).zero_shot(run.class_names)
    assert session.training.ledger is not None
    return classifier_of(session.training.ledger.files(run.id), backbone)


def taught_of_run(session: Session, backbone: Backbone, run: Run) -> Taught:
    """Return a run as a training's result, so that it can be used. Raises as ``classifier_of_run``."""
    assert run.settings is not None
    return opened(classifier_of_run(session, backbone, run), backbone, run.settings, run)
