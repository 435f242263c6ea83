"""The region grid in the app: the same JavaScript and style as in a notebook."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.ui.resources import session
from app.visitor.page_state import AskedRegion
from gallop.maps.region_grid import JAVASCRIPT, STYLE

_draw = st.components.v2.component(
    "gallop_region_grid", js=JAVASCRIPT.read_text(encoding="utf-8"), css=STYLE.read_text(encoding="utf-8")
)


def region_grid(panel: dict[str, Any], *, key: str) -> None:
    """Draw a panel of ``gallop.maps.region_grid.panel``; a region that is clicked becomes the one that is asked."""

    def ask() -> None:
        session().region = AskedRegion.of(st.session_state[key].asked, (panel["rows"], panel["columns"]))

    _draw(key=key, data=panel, on_asked_change=ask)


def asked(grid: tuple[int, int]) -> int | None:
    """The region that was asked last, in a grid of (rows, columns); None where there is none."""
    found = session().region
    return None if found is None else found.on(grid)
