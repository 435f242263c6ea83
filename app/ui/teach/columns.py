"""Collect, Train and Try beside each other where there is room, and what each column is called."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_NARROWEST = 280
"""Pixels of a column; where three do not fit beside each other they stand below each other."""


def three_columns() -> list[Any]:
    """Return the columns. Streamlit before 1.66 puts them below each other on a phone alone."""
    if not hasattr(st, "grid"):
        return list(st.columns(3, gap="medium"))
    grid = st.grid(3, min_column_width=_NARROWEST, gap="medium", key="teach")
    return [grid.cell() for _ in range(3)]


def heading(words: str, anchor: str | None = None) -> DeltaGenerator:
    """Draw it; the place to its right. In a line with others it has no room above, so all columns begin alike.

    Args:
        anchor: what a link on the page leads to it by.
    """
    line = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    line.header(words, anchor=anchor or False, width="content")
    return line
