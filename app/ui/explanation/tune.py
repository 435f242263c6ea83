"""Dropout, and whether a change trains again by itself: on Teach, and beside the answer on Explore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.teaching.training import LIVE_PHOTOS, TeachSettings
from app.ui.widgets.remembered import drawn, keep, recall, set_widget
from app.visitor.session import Session
from gallop.setting import settings_of

_LIVE, _DROPOUT = "retrain live", "teach settings dropout"


def steps_of(prompts: int, chosen: float) -> Sequence[float]:
    """Return the dropouts that differ for so many global prompts, at least one of which is kept, and the one chosen."""
    return sorted({*(dropped / prompts for dropped in range(prompts)), chosen})


def dropout(session: Session, prompts: int) -> float:
    """Draw the slider of dropout for so many global prompts; return it. The settings follow at once."""
    about = settings_of(TeachSettings)["dropout"]

    def moved() -> None:  # before the page is drawn, which begins with the training that this asks for
        session.training.settings = replace(session.training.settings, dropout=float(st.session_state[_DROPOUT]))

    shown = float(recall(_DROPOUT, session.training.settings.dropout))
    how: Any = {"key": _DROPOUT, "help": about.help, "on_change": moved}
    return float(keep(_DROPOUT, st.select_slider(about.label, steps_of(prompts, shown), shown, "{:.2g}".format, **how)))


def live(session: Session) -> None:
    """Draw the switch, as soon as there is a run to go on from."""
    if session.training.run_now is None:
        return

    def switched() -> None:
        session.training.live = bool(st.session_state[_LIVE])

    set_widget(_LIVE, session.training.is_live)
    st.toggle(
        "Retrain as I change it",
        key=_LIVE,
        on_change=switched,
        help="After a change of dropout, of the number of prompts or of a photo, prompts go on learning from where "
        f"they are, and the answer follows. Up to {LIVE_PHOTOS} photos this is on unless you turn it off.",
    )
    drawn(_LIVE)


def beside_the_answer(session: Session) -> DeltaGenerator:
    """Draw both in a line, where the taught prompts answer on Explore; return the place beside them."""
    with st.container(horizontal=True, vertical_alignment="center", key="tune"):
        with st.container(width=280):
            dropout(session, session.training.settings.global_prompts)
        with st.container(width="content"):
            live(session)
        return st.container()
