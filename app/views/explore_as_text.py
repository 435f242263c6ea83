"""The state of the page Explore as an address, and back from untrusted text. Knows no Streamlit.

An address contains only words and numbers: backbone, class names, templates, k and the class explained. No photo, no
learned prompt and nothing that leads to the session it was made in. Values that the widgets would not accept are left
out here, or refused by the page with a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from app.backbones import DEFAULT_BACKBONE
from app.visitor.page_state import ExploreState

# Characters of a field: browsers and servers cut longer addresses.
_MOST = 4000
# The parameters of an address and their fields of ExploreState.
_TEXTS = {
    "names": "names",
    "templates": "templates",
    "class": "class_name",
    "against": "against",
}
_SCALES, BACKBONE = "k", "backbone"
ADDRESS_FIELDS = (*_TEXTS, _SCALES, BACKBONE)
# Local prompts.
_MOST_PROMPTS = 64


def address(base: str, shown: ExploreState, backbone: str = DEFAULT_BACKBONE) -> str:
    """Return a link to the page in its current state.

    Args:
        base: address of a page, such as ``http://localhost:8501/export?session=...``; only its folder is used.
        backbone: by name; the built-in one is left out, since it is the default.
    """
    parameters = {field: value for field, name in _TEXTS.items() if (value := getattr(shown, name)) is not None}
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
    scales = [_number(part) for part in parameters.get(_SCALES, "")[:_MOST].split("-")]
    if all(scales):
        values["scales"] = tuple(scales[:_MOST_PROMPTS])
    return ExploreState(**values)


def _number(words: str) -> int | None:
    return int(words) if words.isascii() and words.isdigit() and len(words) < 5 else None
