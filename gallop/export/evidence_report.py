"""What each class relies on, as a single HTML page, to send, print or save. It loads nothing from any other machine.

It holds parts of photos, as small pictures in data URLs. All text is escaped, and a content policy in the page forbids
scripts and requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import ImageOps

from gallop import __version__
from gallop.backbones import Backbone
from gallop.documents.rendering import render
from gallop.evaluation.evidence import FITS, LARGE_REST, Evidence
from gallop.evaluation.failing_groups import LEAST
from gallop.evaluation.repeats import Repeat
from gallop.evaluation.what_if import WhatIf
from gallop.images import load_image
from gallop.maps.pictures import lit_picture, region_picture
from gallop.maps.shown_photo import picture_url

MOST_BYTES = 10_000_000
"""Of the page."""
MOST_SHOWN = 6
"""Clusters of a class, and groups."""
_PICTURES, _SIZE = 8, (144, 96)  # of a cluster or group, where there is room, and of each in pixels
_PICTURE_BYTES = 6_500  # of a data URL, rather more than less


def evidence_report(evidence: Evidence, backbone: Backbone, what_ifs: Sequence[WhatIf] = ()) -> str:
    """Return the page, of at most ``MOST_BYTES``: of many classes, each cluster has fewer pictures, or none.

    Args:
        backbone: of the model.
        what_ifs: of any clusters.

    Raises:
        ImageError: a photo that can no longer be read.
    """

    @cache
    def picture(photo: int, region: int | None = None) -> str:
        image = load_image(evidence.data.photos[photo]).image
        if region is not None:
            image = region_picture(image, *evidence.place(region), backbone.preprocess.centre(image)[1])
        return picture_url(ImageOps.fit(image, _SIZE), "JPEG", quality=78)

    def lit(photo: int, repeat: Repeat) -> str:
        image = load_image(evidence.data.photos[photo]).image
        picture = lit_picture(image, repeat.of(photo).numpy(), backbone.preprocess.centre(image)[1])
        return picture_url(ImageOps.pad(picture, _SIZE), "JPEG", quality=78)

    def named(photo: int) -> str:
        source, names = evidence.data.photos[photo], evidence.data.class_names
        truth, answer = names[evidence.truth[photo]], names[evidence.predicted[photo]]
        called = source.name if isinstance(source, Path) else f"photo {photo + 1}"
        return f"{called}: {truth}" + ("" if answer == truth else f", answered {answer}")

    facts = {
        "evidence": evidence,
        "what_ifs": {(each.class_name, each.cluster): each for each in what_ifs},
        "picture": picture,
        "lit": lit,
        "named": named,
        "large_rest": LARGE_REST,
        "fits": FITS,
        "least": LEAST,
    }
    shown, page = MOST_SHOWN + sum(min(len(each.clusters), MOST_SHOWN) for each in evidence.classes), ""
    for pictures in range(max(min(_PICTURES, MOST_BYTES // (_PICTURE_BYTES * shown)), 1), -1, -1):
        page = render("export/evidence.html.j2", **facts, most_shown=MOST_SHOWN, pictures=pictures, version=__version__)
        if len(page.encode()) <= MOST_BYTES:
            break
    return page
