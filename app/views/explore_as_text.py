"""The state of the page Explore as an address or as JSON, and back from untrusted text. Knows no Streamlit.

An address contains only words and numbers: backbone, class names, templates, k, the class explained and how maps are
drawn. No photo, no learned prompt and nothing that leads to the session it was made in. Values that the widgets would
not accept are left out here, or refused by the page with a message.
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
# The parameters of an address and their fields of ExploreState: texts, and numbers from 0 to 100.
_TEXTS = {
    "names": "names",
    "templates": "templates",
    "class": "class_name",
    "against": "against",
    "colours": "colours",
    "drawn": "drawn",
}
_PERCENTAGES = {"opacity": "opacity", "hidden": "hidden"}
_SCALES, BACKBONE = "k", "backbone"
ADDRESS_FIELDS = (*_TEXTS, *_PERCENTAGES, _SCALES, BACKBONE)

_WORDS = ("photo", "names", "typed_names", "templates", "class_name", "against", "region_of")
_CHOICES = {"prompts": (UNTAUGHT, TAUGHT), "colours": tuple(COLOURS), "drawn": DRAWN}
_FLAGS = ("before", "all_scales", "second_look")
_UP_TO = {"prompt": 63, "opacity": 100, "hidden": 100}
# Fields that have another key in project files.
_KEYS = {"typed_names": "own_names", "second_look": "finer"}
_FIELDS = {key: field for field, key in _KEYS.items()}
# Characters of the names, or of the templates.
MOST_WORDS = 20_000
_MOST_REGIONS = 2**16


def address(base: str, shown: ExploreState, backbone: str = DEFAULT_BACKBONE) -> str:
    """Return a link to the page in its current state.

    Args:
        base: address of a page, such as ``http://localhost:8501/export?session=...``; only its folder is used.
        backbone: by name; the built-in one is left out, since it is the default.
    """
    names = (_TEXTS | _PERCENTAGES).items()
    parameters = {field: value for field, name in names if (value := getattr(shown, name)) is not None}
    if backbone != DEFAULT_BACKBONE:
        parameters[BACKBONE] = backbone
    if shown.scales:
        parameters[_SCALES] = "-".join(map(str, shown.scales))
    return f"{base.split('?')[0].rpartition('/')[0]}/?{urlencode(parameters)}"


def read_address(parameters: Mapping[str, str]) -> ExploreState:
    """Return the state of Explore from the parameters of an address; invalid values are left out."""
    values: dict[str, Any] = {
        name: value for field, name in _TEXTS.items() if (value := parameters.get(field)) and len(value) <= _MOST
    }
    values |= {name: _number(parameters.get(field, "")) for field, name in _PERCENTAGES.items()}
    values["scales"] = [_number(part) for part in parameters.get(_SCALES, "")[:_MOST].split("-")]
    return explore_of(values)


def _number(words: str) -> int | None:
    return int(words) if words.isascii() and words.isdigit() and len(words) < 5 else None


def explore_as_json(state: ExploreState) -> dict[str, Any]:
    """Return a state as JSON values, without the source of photos: another machine may have no webcam."""
    held = {each.name: getattr(state, each.name) for each in fields(state) if each.name != "source"}
    region: AskedRegion | None = held.pop("region")
    values = {_KEYS.get(name, name): list(value) if isinstance(value, tuple) else value for name, value in held.items()}
    values["region"] = None if region is None else [region.region, *region.grid]
    return {key: value for key, value in sorted(values.items()) if value not in (None, [])}


def explore_of(given: Mapping[str, Any]) -> ExploreState:
    """Return the state from JSON values; invalid values are left out."""
    values: dict[str, Any] = {}
    for name, value in ((_FIELDS.get(key, key), value) for key, value in given.items()):
        text = isinstance(value, str) and len(value) <= MOST_WORDS
        flag = name in _FLAGS and isinstance(value, bool)
        if (name in _WORDS and text) or value in _CHOICES.get(name, ()) or flag or _is_from(0, value, _UP_TO.get(name)):
            values[name] = value
    scales, region = given.get("scales"), given.get("region")
    if isinstance(scales, list) and all(_is_from(1, k, _MOST_REGIONS) for k in scales):
        values["scales"] = tuple(scales[: _UP_TO["prompt"] + 1])
    if isinstance(region, list) and len(region) == 3 and all(_is_from(0, each, _MOST_REGIONS) for each in region):
        values["region"] = AskedRegion.of(region[0], (region[1], region[2]))
    return ExploreState(**values)


def _is_from(least: int, value: Any, most: int | None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and most is not None and least <= value <= most
