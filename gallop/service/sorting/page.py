"""The page on which a person checks a random sample of what would be accepted. It asks nothing of any machine."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from PIL import Image, ImageOps

from gallop.documents.rendering import render
from gallop.errors import ImageError
from gallop.evaluation.promise import checks_needed
from gallop.images import load_image
from gallop.maps.shown_photo import picture_url
from gallop.service.sorting.scored_pile import Pile

SIDE, MOST_PHOTOS = 512, 1500  # pixels of a photo's longer side; photos on a page
ERRORS_AHEAD = 2
"""A page has the photos to check if so many more errors are found; for more, the command writes the next page."""


def check_page(pile: Pile, photos: Path, moved: Mapping[str, Path] | None = None) -> str:
    """Return the page with the next photos to check, which lie in the folder ``photos``, or are ``moved`` elsewhere."""
    promise, checked = pile.promise, pile.checked
    needed = checks_needed(pile.wrong, promise.pile, promise.moved).tolist()
    most = needed[min(promise.errors + ERRORS_AHEAD, len(needed) - 1)] if needed else promise.pile
    shown = dict.fromkeys(pile.accepted[len(checked) : max(most, len(checked) + 1)][:MOST_PHOTOS], "")
    for key in shown:
        with suppress(ImageError, OSError):  # it cannot be read any more, which the page says
            picture = ImageOps.contain(
                load_image((moved or {}).get(key, photos / key)).image, (SIDE, SIDE), Image.Resampling.BILINEAR
            )
            shown[key] = picture_url(picture, "JPEG", quality=80)
    scores, unlike = dict(zip(pile.keys, pile.scores, strict=True)), pile.state["unlike"]
    facts = {
        "pile": pile.name,
        "size": promise.pile,
        "percent": f"{100 * pile.wrong:.3g} %",
        "allowed": round(pile.wrong * promise.pile, 9),
        "needed": needed,
        "right": promise.right,
        "errors": promise.errors,
        "earlier": {key: pile.checks[key] for key in checked},
        "classes": pile.state["classes"],
        "photos": [
            {"key": key, "label": pile.labels[key], "score": "" if unlike else f"{100 * scores[key]:.0f} %", "url": url}
            for key, url in shown.items()
        ],
    }
    code = Path(__file__).with_name("check.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    data, script_hash = htmlsafe_json_dumps(facts), f"sha256-{digest}"
    return render(
        "service/sorting/check.html.j2", data=data, script=Markup(code), script_hash=script_hash, unlike=unlike
    )
