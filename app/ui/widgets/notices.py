"""Sentences that are shown once."""

from __future__ import annotations

import streamlit as st

from app import text
from app.ui.slot import slot
from app.visitor.notices import Where
from app.visitor.session import Session


def show_notice(session: Session, where: Where) -> None:
    """Draw what waits to be told there, and the way back; it is told by this run alone."""
    notice, there = session.notices.pop(where, None), slot()
    if notice is not None:
        draw = {"success": there.success, "info": there.info, "error": there.error}[notice.kind]
        draw(text.markdown(notice.words), icon=":material/error:" if notice.kind == "error" else None)
    if notice is not None and notice.change is not None:
        key, undo = f"undo {where.name} {notice.change}", session.photos.undo
        st.button("Undo", key=key, type="tertiary", icon=":material/undo:", on_click=undo, args=(notice.change,))
