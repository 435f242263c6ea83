"""What each class stands on, for the page: the work as jobs, clusters and photos as tiles. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from typing import Any

from PIL import Image

from app import text
from app.jobs import Counted
from app.library import Backbone, Evidence
from app.photos.shelf import thumbnail_url
from app.views.exploring import PhotoTile
from app.views.testing import taught_question
from app.visitor.session import Session
from gallop import Photo, load_image

JOB = "evidence"
# Photos whose evidence is found without being asked for.
FEW = 200
COLOURS = ("class", "answer", "verdict")
_TILE = (144, 96)  # pixels


def key_of(session: Session, pairs: Sequence[tuple[Photo, str]]) -> Hashable:
    """Return what the evidence depends on: the photos, the model and its scales."""
    photos = tuple((photo.sha256, name) for photo, name in pairs)
    return photos, session.training.version, session.training.scales()


def finding(session: Session, backbone: Backbone, pairs: Sequence[tuple[Photo, str]]) -> Iterator[Any]:
    """Return the steps that find what each class stands on."""
    from gallop.data import LabelledPhotos
    from gallop.evaluation.evidence import evidence_steps

    classifier, names = session.answers.classifier(backbone, taught_question(session)), taught_question(session).names
    photos, hashes = tuple(photo for photo, _ in pairs), tuple(photo.sha256 for photo, _ in pairs)
    data = LabelledPhotos(photos, hashes, tuple(names.index(name) for _, name in pairs), names)
    how: Any = (session.photos.features(), session.training.scales())
    return evidence_steps(classifier.model_, classifier.calibration_, data, *how)


def covering(session: Session, backbone: Backbone, evidence: Evidence, class_name: str, cluster: int) -> Iterator[Any]:
    """Return the steps that cover a cluster."""
    from gallop.evaluation.what_if import what_if

    classifier = session.answers.classifier(backbone, taught_question(session))
    return what_if(classifier.model_, classifier.calibration_, evidence, class_name, cluster)


def counted(steps: Iterator[Any], key: Hashable) -> Generator[Counted, None, tuple[Hashable, Any]]:
    """Do some work with its progress; return its last event, which is its result, with a key."""
    for event in steps:
        if hasattr(event, "stage"):
            yield Counted(event.done / event.total, f"{event.stage.capitalize()}: {event.done} of {event.total}")
    return key, event


def tiles(evidence: Evidence, shown: Sequence[tuple[int, Image.Image, str, str]]) -> list[PhotoTile]:
    """Return photos as tiles: the index of each, its picture, what is beneath it, and the key of the tile."""
    names, made = evidence.data.class_names, []
    for i, picture, name, key in shown:
        answer, truth = names[evidence.predicted[i]], names[evidence.truth[i]]
        verdict = "right" if answer == truth else f"{truth}, answered {answer}"
        about = getattr(evidence.data.photos[i], "name", "")
        made.append(PhotoTile(key, name or answer, thumbnail_url(picture, _TILE), verdict, about=about))
    return made


def cluster_tiles(backbone: Backbone, evidence: Evidence, class_name: str, cluster: int) -> list[PhotoTile]:
    """Return the regions of a cluster that add most, with what they add as a part of the mean score of the class.

    The key of a tile is a photo's index and the region.
    """
    from gallop.maps.pictures import region_picture

    shown, each = [], evidence.of(class_name)
    for found in each.clusters[cluster].gallery:
        image = picture_of(evidence, found.photo)
        patch = region_picture(image, *evidence.place(found.region), backbone.preprocess.centre(image)[1])
        shown.append((found.photo, patch, text.percent(found.score / each.score), f"{found.photo} {found.region}"))
    return tiles(evidence, shown)


def picture_of(evidence: Evidence, photo: int) -> Image.Image:
    return load_image(evidence.data.photos[photo]).image


def coloured_by(evidence: Evidence, what: str) -> list[str]:
    """Return what each photo is coloured by, in words."""
    if what == "verdict":
        return ["right" if same else "wrong" for same in (evidence.predicted == evidence.truth).tolist()]
    indices = evidence.predicted if what == "answer" else evidence.truth
    return [text.shorten(evidence.data.class_names[k]) for k in indices]
