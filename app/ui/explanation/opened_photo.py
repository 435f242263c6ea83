"""One photo of the test, opened: its answer, and the maps of what decided."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from app import text
from app.ui.explanation.answer import session_photo_url
from app.ui.resources import backbone
from app.ui.widgets.explained import photo_explained
from app.views import testing
from app.visitor.session import Session
from gallop import Photo
from gallop.maps.explainer.stands import Stands


def show_opened(session: Session, photo: Photo, *, really: str) -> None:
    """Draw it. ``really`` is the class it has."""
    tower, question = backbone(session.training.tower), testing.taught_question(session)
    found = session.answers.explain(tower, photo, question).with_topk(session.training.scales())
    said, name = found.label, text.markdown(really)
    share = f"It said **{text.markdown(found.answer)}**, {text.percent(found.probabilities[said])}"
    if said != really:
        st.markdown(f"{share}; it is **{name}** ({text.percent(found.probabilities[really])}).")
    elif found.answer == said:
        st.markdown(f"{share}, and that is right.")
    else:
        st.markdown(f"{share}, and the nearest is right: it is **{name}**.")
    usual = tuple(found.topk)

    def tell(stands: Stands) -> None:
        # Where k was not moved it goes on to be that of Teach.
        stood = replace(stands, topk=() if stands.topk == usual else stands.topk)
        session.test = replace(session.test, stands=stood, stands_of=photo.sha256)

    stands = session.test.stands_for(photo.sha256)
    photo_explained(found, picture=session_photo_url(session, found), stands=stands, tell=tell)
