"""What stands on the page Explore as the end of an address, and back. Knows no Streamlit.

Words and numbers alone: tower, class names, templates, k, the class explained and how maps are drawn. No photo, no
learned prompt and nothing that leads to the visit it was made in. An address may come from anybody: what the widgets
would not take is left out here, or refused by the page in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from app.towers.options import DEFAULT_TOWER
from app.visitor.explore import CELLS, SMOOTH, ExploreState
from gallop.maps.look import COLOURS

_MOST = 4000
"""Characters of a field: browsers and servers cut longer addresses."""
_WORDS = {"names": "names", "templates": "templates", "class": "class_name", "against": "against"}
"""Fields that are text, and what each says of Explore."""
_DRAWN = {"colours": "colours", "drawn": "drawn"}
_CHOICES = {"colours": COLOURS, "drawn": (SMOOTH, CELLS)}
_SHARES = {"opacity": "opacity", "hidden": "hidden"}
"""Fields that are numbers from 0 to 100."""
_SCALES, TOWER = "k", "tower"
ADDRESS_FIELDS = (*_WORDS, *_DRAWN, *_SHARES, _SCALES, TOWER)


def address(base: str, shown: ExploreState, tower: str = DEFAULT_TOWER) -> str:
    """A link to the page as it stands.

    Args:
        base: of a page, such as ``http://localhost:8501/export?session=...``; only what leads to it is used.
        tower: by name; the one that ships is not named, since who names none has it.
    """
    found = {field: getattr(shown, name) for field, name in (_WORDS | _DRAWN | _SHARES).items()}
    found = {field: value for field, value in found.items() if value is not None}
    if tower != DEFAULT_TOWER:
        found[TOWER] = tower
    if shown.scales:
        found[_SCALES] = "-".join(map(str, shown.scales))
    return f"{base.split('?')[0].rpartition('/')[0]}/?{urlencode(found)}"


def read_address(parameters: Mapping[str, str]) -> ExploreState:
    """How Explore is to stand, from the fields of an address; what makes no sense is left out."""
    found: dict[str, Any] = {}
    for field, name in (_WORDS | _DRAWN).items():
        if 0 < len(parameters.get(field, "")) <= _MOST:
            found[name] = parameters[field]
    found = {name: value for name, value in found.items() if value in _CHOICES.get(name, (value,))}
    for field, name in _SHARES.items():
        value = _number(parameters.get(field, ""))
        if value is not None and value <= 100:
            found[name] = value
    scales = [_number(part) for part in parameters.get(_SCALES, "")[:_MOST].split("-")]
    return ExploreState(**found, scales=tuple(k for k in scales if k) if all(scales) else ())


def _number(words: str) -> int | None:
    """Digits as a number; None for all else."""
    return int(words) if words.isascii() and words.isdigit() and len(words) < 5 else None
