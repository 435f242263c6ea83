"""Addresses of pages that became a part of another one: they lead there."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from app.ui.export import dialog
from app.ui.widgets.remembered import put

# By the old address: the page.
PLACES = {"prompts": "ui/evidence/page.py", "compare": "ui/test/page.py", "export": "ui/explore/page.py"}


def lead(address: str) -> NoReturn:
    """Go to the page of an old address, and open what was there."""
    if address == "prompts":
        put("evidence tab", "Prompts")
    elif address == "compare":
        put("test tab", "Runs")
    else:
        dialog.ask(dialog.EXPLORE)
    st.switch_page(PLACES[address])
