"""A part of a page for what comes and goes."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def slot() -> DeltaGenerator:
    """Always there, and seen only where something is in it; an empty slot is something, so none lies in another.

    A browser knows parts of a page that have no key, such as columns, by their number. When something came or went
    above them, they were other parts to it and were drawn from nothing: a menu closed that was just opened, and a
    button was taken away under the finger.
    """
    return st.container()
