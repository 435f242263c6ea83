"""The steps of the method in the app: everything moves in the browser, and no run of the page follows."""

from __future__ import annotations

from typing import Any

import streamlit as st

from gallop.maps.explainer import STEPS, STEPS_STYLE_SHEET, STYLE_SHEET, script

_draw = st.components.v2.component(
    "gallop_steps",
    js=script(STEPS),
    css="\n".join(path.read_text(encoding="utf-8") for path in (STYLE_SHEET, STEPS_STYLE_SHEET)),
)


def steps(data: dict[str, Any]) -> None:
    """Draw what ``gallop.maps.explainer.data.steps_data`` made."""
    _draw(key="steps", data=data)
