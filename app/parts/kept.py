"""Widgets that keep what they stand at: over another page, and wherever the session itself is kept.

Streamlit forgets the state of a widget that a run did not draw. So before one is drawn its value is recalled from the
session, and after it is drawn the value is kept there.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

import streamlit as st

from resources import session

T = TypeVar("T")


def recall(key: str, default: Any, allowed: Collection[Any] | None = None) -> None:
    """Before the widget ``key`` is drawn: what it stood at, or ``default`` where that is none of ``allowed``."""
    if key not in st.session_state:
        st.session_state[key] = session().kept.get(key, default)
    if allowed is not None and st.session_state[key] not in allowed:
        st.session_state[key] = default


def keep(key: str, value: T) -> T:
    """After the widget ``key`` was drawn: its value, which is remembered."""
    session().kept[key] = value
    return value


def put(key: str, value: Any) -> None:
    """Let the widget ``key`` stand at ``value``; before it is drawn, or in a callback."""
    st.session_state[key] = session().kept[key] = value
