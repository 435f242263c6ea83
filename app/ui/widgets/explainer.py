"""The explainer in the app: the same script and style as in a notebook and in the report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.ui.resources import session
from gallop.maps.explainer import SCRIPT, STYLE_SHEET
from gallop.maps.explainer.data import explainer_data
from gallop.maps.explainer.stands import Stands

if TYPE_CHECKING:
    from gallop import Explanation

KEY = "explainer"
_draw = st.components.v2.component(
    "gallop_explainer", js=SCRIPT.read_text(encoding="utf-8"), css=STYLE_SHEET.read_text(encoding="utf-8")
)


def explainer(explanation: Explanation, before: Explanation | None, *, photo: str, picture: str) -> None:
    """Draw the photo explained; where a hand leaves it is what Explore stands at, and no run is needed while it moves.

    Args:
        explanation: at the model's own scales.
        before: the same before teaching.
        photo: content hash.
        picture: the photo in a data URL.
    """
    drawn = explanation

    def told() -> None:
        session().explore = session().explore.told(_said().of(drawn), photo, drawn.grid)

    stands = replace(session().explore.stands(photo, drawn.grid), turn=_said().turn)
    data = explainer_data(explanation, before=before, stands=stands, photo=picture)
    _draw(key=KEY, data=data, on_stands_change=told)


def _said() -> Stands:
    """What the browser told last."""
    found: Any = st.session_state.get(KEY)
    stands = getattr(found, "stands", None)
    return Stands.told(stands if isinstance(stands, dict) else {})
