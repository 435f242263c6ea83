"""What each class stands on as a single HTML page, to send, print or save. It loads nothing from any other machine.

It holds parts of photos, as small pictures in data URLs. All text is escaped, and a content policy in the page forbids
scripts and requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from gallop import __version__
from gallop.backbones import Backbone
from gallop.documents.rendering import render
from gallop.evaluation.diversity import FoundRegion
from gallop.evaluation.evidence import FITS, LARGE_REST, Evidence
from gallop.evaluation.failing_groups import LEAST
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.what_if import WhatIf
from gallop.images import load_image
from gallop.maps.photo import picture_url
from gallop.maps.pictures import region_picture

MOST_BYTES = 10_000_000
"""Of the page."""
MOST_SHOWN = 6
"""Clusters of a class, and groups."""
_EACH = 8  # pictures of a cluster or group, where there is room
_PICTURE = (144, 96)
_PICTURE_BYTES = 6_500  # of a data URL, rather more than less


def evidence_report(evidence: Evidence, backbone: Backbone, what_ifs: Sequence[WhatIf] = ()) -> str:
    """Return the page, of at most ``MOST_BYTES``: where there are many classes, each cluster has fewer pictures.

    Args:
        backbone: of the model.
        what_ifs: of any clusters.

    Raises:
        ImageError: a photo that can no longer be read.
    """
    shown = sum(min(len(each.clusters), MOST_SHOWN) for each in evidence.classes) + MOST_SHOWN
    each = _EACH
    while True:
        each = min(each, max(MOST_BYTES // (_PICTURE_BYTES * shown), 1))
        page = _page(evidence, _Pictures(evidence, backbone, each), what_ifs)
        if len(page.encode()) <= MOST_BYTES or each == 1:
            return page
        each -= 1


class _Pictures:
    """The pictures of a page, so many of each cluster or group; each photo is read once for all that shows it."""

    def __init__(self, evidence: Evidence, backbone: Backbone, each: int) -> None:
        self._evidence, self._backbone, self._each = evidence, backbone, each

    def patches(self, gallery: Sequence[FoundRegion]) -> list[tuple[str, str]]:
        """Return (data URL, words) of regions."""
        return [(self._patch(found), self._named(found.photo)) for found in gallery[: self._each]]

    def photos(self, photos: Sequence[int]) -> list[tuple[str, str]]:
        """Return the same of whole photos."""
        return [(_url(self._image(i)), self._named(i)) for i in photos[: self._each]]

    def _patch(self, found: FoundRegion) -> str:
        image, (region, grid) = self._image(found.photo), self._evidence.place(found.region)
        return _url(region_picture(image, region, grid, self._backbone.preprocess.centre(image)[1]))

    def _image(self, photo: int) -> Image.Image:
        return load_image(self._evidence.data.photos[photo]).image

    def _named(self, photo: int) -> str:
        source, names = self._evidence.data.photos[photo], self._evidence.data.class_names
        truth, answer = names[self._evidence.truth[photo]], names[self._evidence.predicted[photo]]
        called = source.name if isinstance(source, Path) else f"photo {photo + 1}"
        return f"{called}: {truth}" + ("" if answer == truth else f", answered {answer}")


def _url(picture: Image.Image) -> str:
    return picture_url(ImageOps.fit(picture, _PICTURE, Image.Resampling.BILINEAR), "JPEG", quality=78)


def _page(evidence: Evidence, pictures: _Pictures, what_ifs: Sequence[WhatIf]) -> str:
    asked: Mapping[tuple[str, int], WhatIf] = {(each.class_name, each.cluster): each for each in what_ifs}
    classes: list[dict[str, Any]] = []
    for each in evidence.classes:
        clusters = [
            {
                "is": cluster,
                "what_if": asked.get((each.class_name, number)),
                "patches": pictures.patches(cluster.gallery),
            }
            for number, cluster in enumerate(each.clusters[:MOST_SHOWN])
        ]
        classes.append({"is": each, "clusters": clusters, "more": len(each.clusters) - len(clusters)})
    return render(
        "export/evidence.html.j2",
        evidence=evidence,
        accuracy=_percent(evidence.accuracy),
        classes=classes,
        groups=[(group, pictures.photos(group.photos)) for group in evidence.groups.found[:MOST_SHOWN]],
        percent=_percent,
        large_rest=LARGE_REST,
        fits=FITS,
        least=LEAST,
        version=__version__,
    )


def _percent(part: Proportion) -> str:
    return "{} of {} right, {:.0f} % (likely {:.0f} to {:.0f} %)".format(
        part.right, part.of, 100 * part.value, *(100 * end for end in part.interval)
    )
