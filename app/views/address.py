"""What stands on the page Explore as the end of an address, and back. Knows no Streamlit.

Words and numbers alone: class names, templates, k, the class explained and how maps are drawn. No photo, no learned
prompt and nothing that leads to the visit it was made in. An address may come from anybody: what the widgets would not
take is left out here, or refused by the page in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

_MOST = 4000
"""Characters of a field: browsers and servers cut longer addresses."""
WORDS = {"names": "names", "templates": "templates", "class": "class", "against": "minus"}
"""Fields that are text, and the widget whose value each is."""
DRAWN = {"colours": "colours", "drawn": "cells"}
SHARES = {"opacity": "opacity", "hidden": "threshold"}
"""Fields that are numbers from 0 to 100."""
SCALES = "k"
ADDRESS_FIELDS = (*WORDS, *DRAWN, *SHARES, SCALES)


def address(base: str, kept: Mapping[str, Any]) -> str:
    """A link to the page as its widgets stand.

    Args:
        base: of a page, such as ``http://localhost:8501/take_away?session=...``; only what leads to it is used.
        kept: the values of the widgets by key.
    """
    found = {field: kept[key] for field, key in (WORDS | DRAWN | SHARES).items() if key in kept}
    scales: list[str] = []
    while f"k {len(scales)}" in kept:
        scales.append(str(kept[f"k {len(scales)}"]))
    if scales:
        found[SCALES] = "-".join(scales)
    return f"{base.split('?')[0].rpartition('/')[0]}/?{urlencode(found)}"


def read_address(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Values for the widgets by key, from the fields of an address; what makes no sense is left out."""
    found: dict[str, Any] = {}
    for field, key in (WORDS | DRAWN).items():
        if 0 < len(parameters.get(field, "")) <= _MOST:
            found[key] = parameters[field]
    for field, key in SHARES.items():
        value = _number(parameters.get(field, ""))
        if value is not None and value <= 100:
            found[key] = value
    scales = [_number(part) for part in parameters.get(SCALES, "")[:_MOST].split("-")]
    if all(scales):
        found |= {f"k {prompt}": k for prompt, k in enumerate(scales)}
    return found


def _number(words: str) -> int | None:
    """Digits as a number; None for all else."""
    return int(words) if words.isascii() and words.isdigit() and len(words) < 5 else None
