"""The page on which a person checks a random sample of what would be accepted. It asks nothing of any machine."""

from __future__ import annotations

import base64
import hashlib
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from PIL import Image, ImageOps

from gallop.documents.rendering import render
from gallop.errors import ImageError
from gallop.evaluation.promise import checks_needed
from gallop.images import load_image
from gallop.maps.photo import picture_url
from gallop.service.sorting.pile import Pile

SIDE = 512
"""Longer side of a photo on the page, in pixels."""
MOST_PHOTOS = 1500
ERRORS_AHEAD = 2
"""A page has the photos to check if so many more errors are found; for more, the command writes the next page."""


def check_page(pile: Pile, photos: Path) -> str:
    """Return the page with the next photos to check.

    Args:
        photos: the folder that the pile's keys are paths below.
    """
    promise, accepted = pile.promise, pile.accepted.tolist()
    needed = checks_needed(pile.wrong, len(accepted), promise.moved).tolist()
    most = needed[min(promise.errors + ERRORS_AHEAD, len(needed) - 1)] if needed else len(accepted)
    shown = accepted[promise.checked : max(most, promise.checked + 1)][:MOST_PHOTOS]
    facts = {
        "pile": pile.name,
        "size": len(accepted),
        "percent": f"{100 * pile.wrong:.3g}%",
        "allowed": round(pile.wrong * len(accepted), 9),
        "needed": needed,
        "right": promise.right,
        "errors": promise.errors,
        "earlier": {pile.keys[i]: pile.checks[pile.keys[i]] for i in islice(accepted, promise.checked)},
        "classes": pile.line.classes,
        "photos": [_photo(pile, i, photos) for i in shown],
    }
    code = Path(__file__).with_name("check.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return render(
        "service/sorting/check.html.j2",
        data=htmlsafe_json_dumps(facts),
        script=Markup(code),
        script_hash=f"sha256-{digest}",
    )


def _photo(pile: Pile, i: int, photos: Path) -> dict[str, Any]:
    """Return what the page shows of a photo; without a picture where it cannot be read any more."""
    key = pile.keys[i]
    about = {"key": key, "label": pile.labels[i], "score": f"{100 * pile.scores[i]:.0f}%"}
    try:
        picture = ImageOps.contain(load_image(photos / key).image, (SIDE, SIDE), Image.Resampling.BILINEAR)
    except (ImageError, OSError):
        return about | {"url": ""}
    return about | {"url": picture_url(picture, "JPEG", quality=80)}
