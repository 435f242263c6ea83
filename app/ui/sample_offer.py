"""The sample project: one click fills every page; another takes all of it away again."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app.ui.explanation import current
from app.ui.resources import jobs, towers
from app.ui.widgets.elements import show_notice
from app.views import compare, sample
from app.views.sample import SAMPLE_RUN, sample_run
from app.visitor.session import Notice, Session, Where
from gallop.errors import GallopError


def offer_sample(session: Session) -> None:
    """Draw the button, while there is nothing that it could be mixed up with; after it, what went wrong."""
    if sample.is_offered(session):
        st.button(
            "Try it with a sample project",
            key="take sample",
            icon=":material/redeem:",
            on_click=_take,
            args=(session,),
        )
        st.caption(
            "Candles, mugs, teapots and vases, and a model that learned them: every page is full. *Teach* removes it."
        )
    elif session.training.taught is None and sample.is_there(session):
        show_notice(session, Where.CARDS)


def offer_removal(session: Session) -> None:
    """Draw the way back, while some of the sample is on the cards."""
    if sample.is_there(session):
        icon, key = ":material/delete_sweep:", "remove sample"
        st.button("Remove the sample", key=key, type="tertiary", icon=icon, on_click=_remove, args=(session,))


def _take(session: Session) -> None:
    if not sample.is_offered(session):  # a second click, or another tab has made a card
        return
    try:
        taken = sample.put_in(session)
        tower = compare.tower_of_run(towers(), sample_run())
    except GallopError as error:
        session.notices[Where.CARDS] = Notice("error", str(error))
        return
    current.open_on(session, tower, sample.sample_opened, SAMPLE_RUN, Where.CARDS)
    session.training.encode_ahead(jobs(), towers(), taken)


def _remove(session: Session) -> None:
    if session.explore.names == "\n".join(sample_run().class_names):
        session.explore = replace(session.explore, names=None, own_names=None)
    try:
        gone = sample.take_out(session)
    except GallopError as error:
        session.notices[Where.CARDS] = Notice("error", str(error))
        return
    if gone is not None:
        session.compare = replace(session.compare, deleted=(gone.id, gone.name))
