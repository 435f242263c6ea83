"""What the page Explore shows as an address or as JSON, and back, whoever has written it. Knows no Streamlit.

An address holds words and numbers alone: tower, class names, templates, k, the class explained and how maps are drawn.
No photo, no learned prompt and nothing that leads to the visit it was made in. What the widgets would not take is left
out here, or refused by the page in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

from app.towers import DEFAULT_TOWER
from app.visitor.page_state import CELLS, SMOOTH, TAUGHT, UNTAUGHT, AskedRegion, ExploreState
from gallop.maps.look import COLOURS

# Characters of a field: browsers and servers cut longer addresses.
_MOST = 4000
# Fields that are text, and what each says of Explore.
_ADDRESS_WORDS = {"names": "names", "templates": "templates", "class": "class_name", "against": "against"}
_DRAWN = {"colours": "colours", "drawn": "drawn"}
_ADDRESS_CHOICES = {"colours": COLOURS, "drawn": (SMOOTH, CELLS)}
# Fields that are numbers from 0 to 100.
_SHARES = {"opacity": "opacity", "hidden": "hidden"}
_SCALES, TOWER = "k", "tower"
ADDRESS_FIELDS = (*_ADDRESS_WORDS, *_DRAWN, *_SHARES, _SCALES, TOWER)


def address(base: str, shown: ExploreState, tower: str = DEFAULT_TOWER) -> str:
    """A link to the page as it stands.

    Args:
        base: of a page, such as ``http://localhost:8501/export?session=...``; only what leads to it is used.
        tower: by name; the one that ships is not named, since who names none has it.
    """
    found = {field: getattr(shown, name) for field, name in (_ADDRESS_WORDS | _DRAWN | _SHARES).items()}
    found = {field: value for field, value in found.items() if value is not None}
    if tower != DEFAULT_TOWER:
        found[TOWER] = tower
    if shown.scales:
        found[_SCALES] = "-".join(map(str, shown.scales))
    return f"{base.split('?')[0].rpartition('/')[0]}/?{urlencode(found)}"


def read_address(parameters: Mapping[str, str]) -> ExploreState:
    """How Explore is to stand, from the fields of an address; what makes no sense is left out."""
    found: dict[str, Any] = {}
    for field, name in (_ADDRESS_WORDS | _DRAWN).items():
        if 0 < len(parameters.get(field, "")) <= _MOST:
            found[name] = parameters[field]
    found = {name: value for name, value in found.items() if value in _ADDRESS_CHOICES.get(name, (value,))}
    for field, name in _SHARES.items():
        value = _number(parameters.get(field, ""))
        if value is not None and value <= 100:
            found[name] = value
    scales = [_number(part) for part in parameters.get(_SCALES, "")[:_MOST].split("-")]
    return ExploreState(**found, scales=tuple(k for k in scales if k) if all(scales) else ())


def _number(words: str) -> int | None:
    return int(words) if words.isascii() and words.isdigit() and len(words) < 5 else None


_EXPLORE_SAID_WORDS = ("photo", "names", "own_names", "templates", "class_name", "against", "region_of")
_EXPLORE_SAID_CHOICES = {"prompts": (UNTAUGHT, TAUGHT), "colours": tuple(COLOURS), "drawn": (SMOOTH, CELLS)}
_FLAGS = ("before", "all_scales", "finer")
_UP_TO = {"prompt": 63, "opacity": 100, "hidden": 100}
# Characters of the names, or of the templates.
MOST_WORDS = 20_000
_MOST_REGIONS = 2**16


def explore_said(state: ExploreState) -> dict[str, Any]:
    """Return what a state says; where photos come from is the machine's, which may have no webcam."""
    held = {each.name: getattr(state, each.name) for each in fields(state) if each.name != "source"}
    region: AskedRegion | None = held.pop("region")
    found = {name: list(value) if isinstance(value, tuple) else value for name, value in held.items()}
    found["region"] = None if region is None else [region.region, *region.grid]
    return {name: value for name, value in sorted(found.items()) if value not in (None, [])}


def explore_of(said: Mapping[str, Any]) -> ExploreState:
    """Return the state that says so; what makes no sense says nothing."""
    found: dict[str, Any] = {}
    found |= {name: said[name] for name in _EXPLORE_SAID_WORDS if _is_text(said.get(name))}
    found |= {name: said[name] for name, allowed in _EXPLORE_SAID_CHOICES.items() if said.get(name) in allowed}
    found |= {name: said[name] for name in _FLAGS if isinstance(said.get(name), bool)}
    found |= {name: said[name] for name, most in _UP_TO.items() if _is_from(0, said.get(name), most)}
    scales = said.get("scales")
    if isinstance(scales, list) and all(_is_from(1, k, _MOST_REGIONS) for k in scales):
        found["scales"] = tuple(scales[: _UP_TO["prompt"] + 1])
    region = said.get("region")
    if isinstance(region, list) and len(region) == 3 and all(_is_from(0, each, _MOST_REGIONS) for each in region):
        found["region"] = AskedRegion.of(region[0], (region[1], region[2]))
    return ExploreState(**found)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MOST_WORDS


def _is_from(least: int, value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
