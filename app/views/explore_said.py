"""What the page Explore stands at as JSON, and back, whoever has written it. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from app.visitor.explore import CELLS, SMOOTH, TAUGHT, UNTAUGHT, ExploreState
from app.visitor.page_state import AskedRegion
from gallop.maps.look import COLOURS

_WORDS = ("photo", "names", "own_names", "templates", "class_name", "against", "region_of")
_CHOICES = {"prompts": (UNTAUGHT, TAUGHT), "colours": tuple(COLOURS), "drawn": (SMOOTH, CELLS)}
_FLAGS = ("before", "all_scales", "finer")
_UP_TO = {"prompt": 63, "opacity": 100, "hidden": 100}
MOST_WORDS = 20_000
"""Characters of the names, or of the templates."""
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
    found |= {name: said[name] for name in _WORDS if _is_text(said.get(name))}
    found |= {name: said[name] for name, allowed in _CHOICES.items() if said.get(name) in allowed}
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
