"""What the page Explore shows as an address or as JSON, and back, whoever has written it. Knows no Streamlit.

An address holds words and numbers alone: backbone, class names, templates, k, the class explained and how maps are
drawn. No photo, no learned prompt and nothing that leads to the visit it was made in. What the widgets would not take
is left out here, or refused by the page in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

from app.backbones import DEFAULT_BACKBONE
from app.visitor.page_state import TAUGHT, UNTAUGHT, AskedRegion, ExploreState
from gallop.maps.look import COLOURS, DRAWN

# Characters of a field: browsers and servers cut longer addresses.
_MOST = 4000
# The fields of an address, and what each says of Explore: texts, and numbers from 0 to 100.
_TEXTS = {"names": "names", "templates": "templates", "class": "class_name", "against": "against"}
_TEXTS |= {"colours": "colours", "drawn": "drawn"}
_SHARES = {"opacity": "opacity", "hidden": "hidden"}
_SCALES, BACKBONE = "k", "backbone"
ADDRESS_FIELDS = (*_TEXTS, *_SHARES, _SCALES, BACKBONE)

_WORDS = ("photo", "names", "own_names", "templates", "class_name", "against", "region_of")
_CHOICES = {"prompts": (UNTAUGHT, TAUGHT), "colours": tuple(COLOURS), "drawn": DRAWN}
_FLAGS = ("before", "all_scales", "finer")
_UP_TO = {"prompt": 63, "opacity": 100, "hidden": 100}
# Characters of the names, or of the templates.
MOST_WORDS = 20_000
_MOST_REGIONS = 2**16


def address(base: str, shown: ExploreState, backbone: str = DEFAULT_BACKBONE) -> str:
    """Return a link to the page as it stands.

    Args:
        base: of a page, such as ``http://localhost:8501/export?session=...``; only what leads to it is used.
        backbone: by name; the one that ships is not named, since who names none has it.
    """
    found = {field: getattr(shown, name) for field, name in (_TEXTS | _SHARES).items()}
    found = {field: value for field, value in found.items() if value is not None}
    if backbone != DEFAULT_BACKBONE:
        found[BACKBONE] = backbone
    if shown.scales:
        found[_SCALES] = "-".join(map(str, shown.scales))
    return f"{base.split('?')[0].rpartition('/')[0]}/?{urlencode(found)}"


def read_address(parameters: Mapping[str, str]) -> ExploreState:
    """Return how Explore is to stand, from the fields of an address; what makes no sense is left out."""
    found: dict[str, Any] = {name: parameters.get(field) or None for field, name in _TEXTS.items()}
    found = {name: value for name, value in found.items() if value and len(value) <= _MOST}
    found |= {name: _number(parameters.get(field, "")) for field, name in _SHARES.items()}
    found["scales"] = [_number(part) for part in parameters.get(_SCALES, "")[:_MOST].split("-")]
    return explore_of(found)


def _number(words: str) -> int | None:
    return int(words) if words.isascii() and words.isdigit() and len(words) < 5 else None


def explore_said(state: ExploreState) -> dict[str, Any]:
    """Return a state as JSON has it; where photos come from is the machine's, which may have no webcam."""
    held = {each.name: getattr(state, each.name) for each in fields(state) if each.name != "source"}
    region: AskedRegion | None = held.pop("region")
    found = {name: list(value) if isinstance(value, tuple) else value for name, value in held.items()}
    found["region"] = None if region is None else [region.region, *region.grid]
    return {name: value for name, value in sorted(found.items()) if value not in (None, [])}


def explore_of(given: Mapping[str, Any]) -> ExploreState:
    """Return the state that JSON gives; what makes no sense is left out."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        text = isinstance(value, str) and len(value) <= MOST_WORDS
        flag = name in _FLAGS and isinstance(value, bool)
        if (name in _WORDS and text) or value in _CHOICES.get(name, ()) or flag or _is_from(0, value, _UP_TO.get(name)):
            found[name] = value
    scales, region = given.get("scales"), given.get("region")
    if isinstance(scales, list) and all(_is_from(1, k, _MOST_REGIONS) for k in scales):
        found["scales"] = tuple(scales[: _UP_TO["prompt"] + 1])
    if isinstance(region, list) and len(region) == 3 and all(_is_from(0, each, _MOST_REGIONS) for each in region):
        found["region"] = AskedRegion.of(region[0], (region[1], region[2]))
    return ExploreState(**found)


def _is_from(least: int, value: Any, most: int | None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and most is not None and least <= value <= most
