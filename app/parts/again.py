"""The page drawn once more, as soon as this run of it is whole.

``st.rerun`` in the middle of a page ends the run there, and what the widgets further down stood at is forgotten: of two
uploads that came in one request the second was lost. So a part asks for another run, and gets it at the page's end.
Fragments, which run alone, call ``st.rerun`` themselves.
"""

import streamlit as st

ASKED = "drawn again"


def ask() -> None:
    st.session_state[ASKED] = True


def grant() -> None:
    """At the end of every page."""
    if st.session_state.pop(ASKED, False):
        st.rerun()
