"""What each class stands on, for the page: the work as jobs, clusters and photos as tiles. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import text
from app.jobs import Counted
from app.library import Backbone, Cluster, Evidence, WhatIf
from app.photos.shelf import thumbnail_url
from app.views.exploring import PhotoTile
from app.views.testing import taught_question
from app.visitor.session import Session
from gallop import Photo

JOB = "evidence"
# Photos whose evidence is found without being asked for.
FEW = 200
Pairs = Sequence[tuple[Photo, str]]
_DOING = {"regions": "Photo {} of {}", "clusters": "Clusters of class {} of {}", "brightness": "Photo {} of {} again"}
_TILE = (144, 96)  # pixels


def key_of(session: Session, pairs: Pairs) -> Hashable:
    """Return what the evidence depends on: the photos, the model and its scales."""
    photos = tuple((photo.sha256, name) for photo, name in pairs)
    return photos, session.training.version, session.training.scales()


def finding(
    session: Session, backbone: Backbone, pairs: Pairs, key: Hashable
) -> Generator[Counted, None, tuple[Hashable, Evidence]]:
    """Find what each class stands on; return it with its key."""
    from gallop.data import LabelledPhotos
    from gallop.evaluation.evidence import evidence_steps

    classifier, names = session.answers.classifier(backbone, taught_question(session)), taught_question(session).names
    photos, hashes = tuple(photo for photo, _ in pairs), tuple(photo.sha256 for photo, _ in pairs)
    data = LabelledPhotos(photos, hashes, tuple(names.index(name) for _, name in pairs), names)
    how: Any = (session.photos.features(), session.training.scales())
    made = yield from _last(evidence_steps(classifier.model_, classifier.calibration_, data, *how))
    return key, made


def what_if_name(class_name: str, cluster: int) -> str:
    """Return the name of the job that covers a cluster."""
    return f"what if {cluster} {class_name}"


def covering(
    session: Session, backbone: Backbone, evidence: Evidence, class_name: str, cluster: int, key: Hashable
) -> Generator[Counted, None, tuple[Hashable, WhatIf]]:
    """Cover a cluster; return what that does with the key of the evidence."""
    from gallop.evaluation.what_if import what_if

    classifier = session.answers.classifier(backbone, taught_question(session))
    steps = what_if(classifier.model_, classifier.calibration_, evidence, class_name, cluster)
    made = yield from _last(steps)
    return key, made


def _last(steps: Iterator[Any]) -> Generator[Counted, None, Any]:
    """Show the progress of some work whose last event is its result."""
    for event in steps:
        if not hasattr(event, "stage"):
            return event
        words = _DOING.get(event.stage, "Photo {} of {}").format(event.done, event.total)
        yield Counted(event.done / event.total, words)


def cluster_tiles(backbone: Backbone, evidence: Evidence, class_name: str, cluster: Cluster) -> list[PhotoTile]:
    """Return the regions of a cluster that add most, with what they add as a part of the mean score of the class.

    The key of a tile is a photo's index and the region.
    """
    from gallop.maps.pictures import region_picture

    made, score = [], max(abs(evidence.of(class_name).score), 1e-9)
    for found in cluster.gallery:
        photo: Any = evidence.data.photos[found.photo]
        crop = backbone.preprocess.centre(photo.image)[1]
        patch = region_picture(photo.image, *evidence.place(found.region), crop)
        answer, truth = (evidence.data.class_names[k[found.photo]] for k in (evidence.predicted, evidence.truth))
        verdict = "right" if answer == truth else f"answered {answer}"
        key = f"{found.photo} {found.region}"
        made.append(
            PhotoTile(key, text.percent(found.score / score), thumbnail_url(patch, _TILE), verdict, about=photo.name)
        )
    return made


def photo_tiles(evidence: Evidence, photos: Sequence[int]) -> list[PhotoTile]:
    """Return photos as tiles; the key of a tile is the photo's index."""
    made = []
    for i in photos:
        photo: Any = evidence.data.photos[i]
        answer, truth = (evidence.data.class_names[k[i]] for k in (evidence.predicted, evidence.truth))
        verdict = "right" if answer == truth else f"really {truth}"
        made.append(PhotoTile(str(i), answer, thumbnail_url(photo.image, _TILE), verdict, about=photo.name))
    return made


COLOURS = ("class", "answer", "verdict")


def coloured_by(evidence: Evidence, what: str) -> list[str]:
    """Return what each photo is coloured by, in words."""
    names = evidence.data.class_names
    if what == "verdict":
        return ["right" if same else "wrong" for same in (evidence.predicted == evidence.truth).tolist()]
    return [text.shorten(names[k]) for k in (evidence.predicted if what == "answer" else evidence.truth)]


def layout(session: Session, evidence: Evidence, how: str, key: Hashable) -> NDArray[np.float32]:
    """Return the photos in two dimensions, computed once."""
    return session.answers.once(("layout", key, how), lambda: evidence.layout(how))
