"""Sentences that are shown once."""

from __future__ import annotations

import streamlit as st

from app import text
from app.ui.slot import slot
from app.visitor.notices import Where
from app.visitor.session import Session


def show_notice(session: Session, where: Where, *, undo: bool = False) -> None:
    """Draw what waits to be told there; it is told by this run alone.

    Args:
        undo: whether what is told there has changed the cards, and the way back is not on the page already.
    """
    notice, there = session.notices.pop(where, None), slot()
    if notice is not None:
        draw = {"success": there.success, "info": there.info, "error": there.error}[notice.kind]
        draw(text.markdown(notice.words), icon=":material/error:" if notice.kind == "error" else None)
        if undo and notice.kind == "success":
            key, args = f"undo {where.name}", (session.photos.deck.changes,)
            icon, undone = ":material/undo:", session.photos.undo
            st.button("Undo", key=key, type="tertiary", icon=icon, on_click=undone, args=args)
