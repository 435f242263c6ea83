"""Widgets that keep what they stand at: over another page, over a reload, and over a run that was cut short.

Streamlit forgets the state of a widget that a run did not draw. So before one is drawn its value is recalled from the
session, and after it is drawn the value is kept there. A value that is set from here reaches the browser with the run
that sets it; if another event cuts that run short, the browser may never see it and shows the widget's own default.
So a value is set in every run until one has come to its end, and then no more: the browser may be ahead by then. On a
busy machine even a whole run may be lost on its way. So what is recalled is given to the widget as its default, too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

import streamlit as st

from resources import session

T = TypeVar("T")

_DRAWING, _SHOWN = "widgets of this run", "widgets of the last whole run"


def run_begins() -> None:
    st.session_state[_DRAWING] = set()


def run_ends() -> None:
    st.session_state[_SHOWN] = st.session_state[_DRAWING]


def recall(key: str, default: Any, allowed: Collection[Any] | None = None) -> Any:
    """Before the widget ``key`` is drawn: what it stood at, or ``default`` where that is none of ``allowed``."""
    value = st.session_state[key] if key in st.session_state else session().kept.get(key, default)
    if allowed is not None and value not in allowed:
        value = default
    if key not in st.session_state or st.session_state[key] != value or key not in st.session_state.get(_SHOWN, ()):
        st.session_state[key] = value
    return value


def keep(key: str, value: T) -> T:
    """After the widget ``key`` was drawn: its value, which is remembered."""
    session().kept[key] = value
    st.session_state.setdefault(_DRAWING, set()).add(key)
    return value


def put(key: str, value: Any) -> None:
    """Let the widget ``key`` stand at ``value``; before it is drawn, or in a callback."""
    st.session_state[key] = session().kept[key] = value
    st.session_state[_SHOWN] = st.session_state.get(_SHOWN, set()) - {key}
