"""The photo of a region that was clicked, explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from app import text
from app.library import Backbone
from app.ui.explanation.answer import session_photo_url
from app.ui.widgets.explainer import photo_explained
from app.views import testing
from app.visitor.session import Session
from gallop import Photo
from gallop.maps.explainer.state import ExplainerState


def show(session: Session, backbone: Backbone, pairs: Sequence[tuple[Photo, str]]) -> None:
    """Draw the photo of the opened tile, at its prompt and region; nothing where no tile of these photos is opened."""
    digest = session.prompts.opened.partition(" ")[0]
    found = [(photo, name) for photo, name in pairs if photo.sha256 == digest]
    if not found:
        return
    (photo, name), question = found[0], testing.taught_question(session)
    explanation = session.answers.explain(backbone, photo, question).with_topk(session.training.scales())
    state = session.prompts.explainer_state

    def moved(state: ExplainerState) -> None:
        session.prompts = replace(session.prompts, explainer_state=state)

    st.markdown(f"{text.markdown(text.shorten(photo.name, 60))}, a photo of **{text.markdown(name)}**")
    words = session.answers.words_of(backbone, photo, question, state.of(explanation).class_name or explanation.label)
    picture = session_photo_url(session, explanation)
    photo_explained(replace(explanation, words=words), picture=picture, state=state, moved=moved)
