"""Widgets that remember their value across pages and a reload.

Streamlit keeps a value as long as a page is connected (``persist_state``), and sends it again where the run that set it
was interrupted. A reload is another connection. So each value is also kept in the visitor's session, by the key of the
widget: what is asked on Explore, which is read elsewhere, as a field of ``ExploreState``, the others in
``Session.values``. On a busy machine even a complete run may be lost on its way, so what is recalled is the widget's
default too.

A browser knows a choice by its label alone, so a list of choices is drawn by ``one_of`` or ``one_of_few``: equal labels
are numbered, and a choice whose label has changed is set again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import streamlit as st

from app.ui.resources import session
from app.visitor.page_state import ExploreState

T = TypeVar("T")

EXPLORE = "explore "
"""Begins the keys of what is asked on Explore; a field of ``ExploreState`` follows."""


def recall(key: str, default: T, allowed: Collection[Any] | None = None) -> T:
    """Return the value of the widget of ``key``, or ``default`` if not in ``allowed``, before it is drawn."""
    of_explore = key.startswith(EXPLORE)
    held = getattr(session().explore, key.removeprefix(EXPLORE)) if of_explore else session().values.get(key)
    before = default if held is None else held
    value: T = st.session_state.get(key, before)
    if allowed is not None and value not in allowed:
        value = before if before in allowed else default
    set_widget(key, value)
    return value


def set_widget(key: str, value: Any) -> None:
    """Set the widget of ``key`` to ``value``, before it is drawn: only where it differs, or what the visitor does
    meanwhile would be undone.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def keep(key: str, value: T) -> T:
    """Return and remember the value of the widget of ``key``, after it was drawn."""
    if key.startswith(EXPLORE):
        changed: dict[str, Any] = {key.removeprefix(EXPLORE): value}
        session().explore = replace(session().explore, **changed)
    else:
        session().values[key] = value
    return value


def put(key: str, value: Any) -> None:
    """Set the widget of ``key`` to ``value``, before it is drawn or in a callback."""
    st.session_state[key] = keep(key, value)


def forget() -> None:
    """Forget the values of all widgets, before any is drawn."""
    for key in [str(key) for key in st.session_state]:
        if key in session().values or key.startswith(EXPLORE):
            del st.session_state[key]
    session().values.clear()
    session().explore = ExploreState()


def remember(draw: Any, label: str, key: str, default: T, **settings: Any) -> T:
    """Draw a widget that is no choice, at the remembered value or ``default``; return and remember its value.

    Args:
        draw: such as ``st.toggle``.
    """
    value: T = draw(label, value=recall(key, default), key=key, persist_state="session", **settings)
    return keep(key, value)


def one_of(
    label: str,
    options: Iterable[T],
    key: str,
    default: T,
    words: Callable[[T], str] = str,
    *,
    draw: Any = st.selectbox,
    **settings: Any,
) -> T:
    """Draw a list of choices, at the remembered choice or ``default``.

    Args:
        options: hashable.
        words: gives the label of an option.
    """
    labels = _numbered({option: words(option) for option in options})
    value, told = recall(key, default, labels), f"{key} as told"
    if st.session_state.get(told, (None, ""))[0] == value and st.session_state[told][1] != labels[value]:
        st.session_state[key] = value
    settings |= {"format_func": labels.__getitem__, "persist_state": "session"}
    chosen: T = draw(label, list(labels), list(labels).index(value), key=key, **settings)
    st.session_state[told] = chosen, labels[chosen]
    return keep(key, chosen)


def one_of_few(label: str, options: Iterable[T], key: str, default: T, **settings: Any) -> T:
    """Draw as ``one_of``, with all options visible side by side."""
    return one_of(label, options, key, default, draw=st.radio, **{"horizontal": True} | settings)


def tabs(names: Sequence[str], key: str) -> tuple[str, Any]:
    """Draw tabs, with the remembered one or the first open; return its name, and the place of what is in it."""
    drawn = st.tabs(names, default=recall(key, names[0], names), key=key, on_change="rerun")
    opened = next(at for at, tab in enumerate(drawn) if tab.open)
    return keep(key, names[opened]), drawn[opened]


def _numbered(labels: dict[T, str]) -> dict[T, str]:
    """Number equal labels: the second is "name (2)"."""
    seen: Counter[str] = Counter()
    for option, words in labels.items():
        seen[words] += 1
        if seen[words] > 1:
            labels[option] = f"{words} ({seen[words]})"
    return labels
