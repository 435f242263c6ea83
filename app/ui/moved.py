"""Addresses of pages that became a part of another one: they lead there."""

from __future__ import annotations

from typing import Any, NoReturn

import streamlit as st

from app.ui.export.dialog import EXPLORE, TAKE_AWAY
from app.ui.widgets.remembered import put
from app.visitor.page_state import EvidenceState, TestState

# By the old address: the page, and what is opened there.
PLACES: dict[str, tuple[str, Any, str]] = {
    "prompts": ("ui/evidence/page.py", EvidenceState.tab, "Prompts"),
    "compare": ("ui/test/page.py", TestState.tab, "Runs"),
    "export": ("ui/explore/page.py", None, TAKE_AWAY),
}


def lead(address: str) -> NoReturn:
    page, tab, opened = PLACES[address]
    if tab is None:
        st.session_state[opened] = EXPLORE
    else:
        put(tab, opened)
    st.switch_page(page)
