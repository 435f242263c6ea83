"""Photos with their classes, for the pages that look at all of them: which pile, and the photo that is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from app import text
from app.library import Backbone
from app.ui import projects
from app.ui.explanation.answer import where_else
from app.ui.widgets.elements import onward
from app.ui.widgets.explainer import photo_explained
from app.ui.widgets.remembered import one_of_few
from app.views import testing
from app.visitor.page_state import AskedRegion
from app.visitor.session import Session
from gallop import Photo
from gallop.maps.explainer.state import ExplainerState

TESTS = "Test photos"


def choose_photos(session: Session, why: str) -> tuple[str, Sequence[tuple[Photo, str]]]:
    """Draw the choice between test photos and those learned from, or what to do where there are neither.

    Args:
        why: what a page shows of them.

    Returns:
        the name of the choice, and the photos, each with its class; none where there are none.
    """
    if session.training.taught is None:
        st.info(f"**Start here:** teach some classes. Then see {why}.", icon=":material/school:")
        onward("On to teaching", "ui/teach/page.py", ":material/school:")
        projects.offer_sample(session)
        return TESTS, ()
    # An opened model has its training photos if they are on the cards.
    both = {TESTS: testing.labelled(session)[0], "Training photos": session.training.learned}
    piles = {name: pairs for name, pairs in both.items() if pairs}
    pile = next(iter(piles), "")
    if not piles:
        st.info(
            "**No matching photos yet.** None of your photos belongs to a class of the opened model. Add *Test photos* "
            "to cards named after the model's classes.",
            icon=":material/add_photo_alternate:",
        )
        onward("Add test photos", "ui/teach/page.py", ":material/school:")
    if len(piles) > 1:
        pile = one_of_few("On which photos", piles, "evidence pile", pile)
        if pile != TESTS:
            st.caption("These are training photos, so the figures are optimistic.")
    elif piles and pile != TESTS:
        st.info(
            "No matching test photos. These figures are from training photos, so they are optimistic.",
            icon=":material/info:",
        )
    return pile, piles.get(pile, ())


def show_opened(session: Session, backbone: Backbone, pairs: Sequence[tuple[Photo, str]]) -> None:
    """Draw the photo of the opened tile, at its prompt and region; nothing where no tile of these photos is opened."""
    digest = session.evidence.opened.partition(" ")[0]
    found = [(photo, name) for photo, name in pairs if photo.sha256 == digest]
    if not found:
        return
    (photo, name), question = found[0], testing.taught_question(session)
    explanation = session.answers.explain(backbone, photo, question).with_topk(session.training.scales())
    state = session.evidence.explainer_state  # remembered, since each run sends it again

    def moved(state: ExplainerState) -> None:
        session.evidence = replace(session.evidence, explainer_state=state)

    st.markdown(f"{text.markdown(text.shorten(photo.name, 60))}, a photo of **{text.markdown(name)}**")
    words = session.answers.words_of(backbone, photo, question, state.of(explanation).class_name or explanation.label)
    photo_explained(replace(explanation, words=words), state, moved)
    shown = state.of(explanation)
    where_else(session, photo, question, AskedRegion.of(shown.region, explanation.grid), shown.class_name)
