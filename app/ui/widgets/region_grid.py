"""The region grid in the app: the same JavaScript and style as in a notebook."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.ui.resources import session
from gallop.maps.region_grid import JAVASCRIPT, STYLE

_draw = st.components.v2.component(
    "gallop_region_grid", js=JAVASCRIPT.read_text(encoding="utf-8"), css=STYLE.read_text(encoding="utf-8")
)


def region_grid(panel: dict[str, Any], *, key: str) -> None:
    """Draw a panel of ``gallop.maps.region_grid.panel``; a region that is clicked becomes the one that is asked."""

    def ask() -> None:
        session().region = st.session_state[key].asked

    _draw(key=key, data=panel, on_asked_change=ask)


def asked(regions: int) -> int | None:
    """The region that was asked last, of so many; None where there is none."""
    region = session().region
    # It comes from the browser, where anybody may send anything.
    return region if isinstance(region, int) and 0 <= region < regions else None
