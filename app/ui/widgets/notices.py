"""Sentences that are shown once."""

from __future__ import annotations

import streamlit as st

from app import text
from app.visitor.notices import Where
from app.visitor.session import Session


def show_notice(session: Session, where: Where) -> None:
    """Draw what waits to be told there; it is told by this run alone."""
    notice = session.notices.pop(where, None)
    if notice is not None:
        draw = {"success": st.success, "info": st.info, "error": st.error}[notice.kind]
        draw(text.markdown(notice.words), icon=":material/error:" if notice.kind == "error" else None)
