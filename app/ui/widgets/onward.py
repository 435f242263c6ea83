"""The way on from a page that has nothing to show yet: its one coloured button."""

import streamlit as st


def onward(label: str, page: str, icon: str) -> None:
    """Draw it; ``page`` is the path of its script below ``app``."""
    if st.button(label, key=f"on to {page}", type="primary", icon=icon):
        st.switch_page(page)
