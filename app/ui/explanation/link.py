"""A link to what is on the page Explore, and following one."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.ui.explanation.current import stand_at
from app.ui.widgets import towers
from app.views import address
from app.visitor.session import Session


def link(session: Session) -> None:
    """To copy."""
    st.markdown(
        "**A link** to *Explore* as it stands",
        help="In it are tower, names, templates, k, and how the maps are drawn. No photo is in it and nothing that was "
        "taught: who opens it takes a photo, or the model's zip, along.",
    )
    shown = replace(session.explore, names=session.explore.names_on(session.photos) or None)
    found = address.address(st.context.url or "", shown, session.training.tower)
    st.code(found, language=None, wrap_lines=True)


def follow(session: Session) -> None:
    """Before any widget is drawn: take over what the address says, once, and clear it from there."""
    fields = {field: st.query_params[field] for field in address.ADDRESS_FIELDS if field in st.query_params}
    if not fields:
        return
    if address.TOWER in fields:
        towers.ask_for(session, fields[address.TOWER])
    stand_at(address.read_address(fields))
    for field in fields:
        del st.query_params[field]
