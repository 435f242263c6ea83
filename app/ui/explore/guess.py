"""An answer that is a guess, and the way on from it; and names from the whole list where a backbone takes its time."""

from __future__ import annotations

import streamlit as st

from app import text
from app.library import Backbone, Explanation
from app.views import exploring
from app.visitor.session import Session
from gallop import Photo
from gallop.names.likely import likely_names
from gallop.wording import time_in_words


def way_on(session: Session, photo: Photo, explanation: Explanation) -> None:
    """Draw that an answer without training is a guess, where it is one, and the button that begins to teach."""
    if not exploring.is_guess(explanation):
        return
    with st.container(horizontal=True, vertical_alignment="center", key="guess"):
        model, name = session.training.backbone_name, explanation.label
        st.markdown(f"A guess: *{text.markdown(model)}* was not shown this.", width="content")
        words = f"Show it a few photos of {text.markdown(text.shorten(name, 40))}"
        if st.button(words, key="begin class", icon=":material/school:"):
            exploring.begin_class(session, photo, name)
            st.switch_page("ui/teach/page.py")


def more_names(session: Session, backbone: Backbone) -> None:
    """Draw the button that suggests names from the whole list, where this backbone has only the everyday words."""
    seconds = exploring.seconds_for_all_names(backbone)
    if not seconds or session.explore.names is not None or session.photos.deck.cards:
        return
    if st.button(f"Suggest from {len(likely_names()):,} names ({time_in_words(seconds)})", key="more names"):
        bar = st.progress(0.0, "Reading the names …")
        for fraction in exploring.read_all_names(session, backbone):
            bar.progress(fraction, "Reading the names …")
        st.rerun()
