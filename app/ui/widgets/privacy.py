"""What happens to photos and names, in a sentence that a test holds true; and the end of all of it, by one button."""

import time

import streamlit as st

from app import text
from app.ui.resources import STATE, visitors
from app.visitor.registry import GRACE_SECONDS


def line() -> None:
    """Draw the sentence, and the button behind a second look: it takes everything of this visit."""
    keep = visitors().keep
    until = f" Closed now, this address finds them until {_clock(keep)}." if keep > GRACE_SECONDS else ""
    with st.container(horizontal=True, vertical_alignment="center", key="privacy"):  # what is above it differs by page
        st.caption(
            f":material/lock: Photos stay in memory, sent to no other machine.{until}",
            width="content",
            help="They stay with the program behind this page, at most as long as it runs and until "
            f"{text.roughly(keep)} after you close it, and are written to no disk. In another browser this address "
            "finds none of them: a cookie, a random number, tells them apart. What a training learns is kept, "
            "with its class names: see the page *Compare*.",
        )
        with st.popover("Remove everything", key="privacy menu"):
            st.markdown("Photos, classes and what they taught.", help="Runs on this machine stay: see *Compare*.")
            st.button("Remove now", key="remove everything", on_click=_remove)


def _clock(seconds: float) -> str:
    return text.time_of_day(time.time() + seconds, st.context.timezone)


def _remove() -> None:
    """What this visitor has is gone before anything is drawn again; the page begins anew."""
    visitors().remove(st.session_state[STATE])
    st.session_state.clear()
