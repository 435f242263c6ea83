"""Which prompts answer: those of zero-shot, or those that were taught."""

from __future__ import annotations

import streamlit as st

from app import text
from app.photos.sample_answers import sample_answers
from app.ui.widgets.remembered import one_of_few
from app.visitor.explore import TAUGHT, UNTAUGHT, ExploreState
from app.visitor.session import Session
from gallop import Photo


def taught_prompts(session: Session, names: tuple[str, ...], photo: Photo | None) -> bool:
    """Draw the choice of zero-shot or taught for the photo shown; return whether the taught prompts answer."""
    if session.training.taught is None:
        return False
    if photo is not None and photo.sha256 in sample_answers() and session.explore.names is None:
        st.caption(
            "This sample is asked about names of its own, by zero-shot. Your photos are asked about your classes."
        )
        return False
    if not session.training.knows(names):
        missing = [name for name in session.training.taught.names if name not in names]
        st.info(
            "Back to zero-shot: what was taught needs all its classes on the list, and "
            f"{text.markdown(text.joined(missing))} {'is' if len(missing) == 1 else 'are'} not. "
            "Put the name back to use what was learned, or teach again.",
            icon=":material/info:",
        )
        return False
    chosen = one_of_few("Prompts", [UNTAUGHT, TAUGHT], ExploreState.prompts, UNTAUGHT)
    added = [name for name in names if name not in session.training.taught.names]
    if chosen == TAUGHT and added:
        st.caption(
            f"Added without training again: {text.markdown(text.joined(added))}. "
            "The learned prompts are put before a new name too."
        )
    return chosen == TAUGHT
