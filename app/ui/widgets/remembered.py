"""Widgets that remember their value across pages and a reload.

Streamlit itself keeps a value as long as a page is connected (``persist_state``), and not over a reload. So a value is
kept in the visitor's session, by the key of the widget: what is asked on Explore as a field of ``ExploreState``, since
it is read elsewhere, the others in ``Session.values``. It is set before the widget is drawn, in every run until one has
completed: the browser may be ahead by then. Where a run is lost on its way a browser shows the widget's default, so
that is what is recalled, too.

A browser knows a choice by its label alone, so a list of choices is drawn by ``one_of`` or ``one_of_few``: equal labels
are numbered, and a choice whose label has changed is set again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any, TypeVar

import streamlit as st

from app.photos.shelf import free_name
from app.ui.resources import session
from app.visitor.page_state import ExploreState

T = TypeVar("T")

EXPLORE = "explore "
"""Begins the keys of what is asked on Explore, where a field of ``ExploreState`` follows."""
_FIELDS = {f"{EXPLORE}{field.name}" for field in fields(ExploreState)}
# The keys of widgets; for a list of choices, each with its choice and the label of that.
_DRAWING, _SHOWN = "widgets of this run", "widgets of the last complete run"


@contextmanager
def run() -> Iterator[None]:
    """Draw a page inside; where that completes, its widgets are now those in the browser."""
    st.session_state[_DRAWING] = {}
    yield
    st.session_state[_SHOWN] = st.session_state[_DRAWING]


def recall(key: str, default: T, allowed: Collection[Any] | None = None) -> T:
    """Return the value of the widget of ``key``, or ``default`` if not in ``allowed``, before it is drawn."""
    held = getattr(session().explore, key.removeprefix(EXPLORE)) if key in _FIELDS else session().values.get(key)
    before = default if held is None else held
    value: T = st.session_state.get(key, before)
    if allowed is not None and value not in allowed:
        value = before if before in allowed else default
    set_widget(key, value)
    return value


def set_widget(key: str, value: Any) -> None:
    """Set the widget of ``key`` to ``value``, before it is drawn.

    Nothing is set if the last complete run has drawn it with this value: that would undo what the visitor does
    meanwhile.
    """
    shown = key in st.session_state and key in st.session_state.get(_SHOWN, ())
    if not shown or st.session_state[key] != value:
        st.session_state[key] = value


def drawn(key: str, *label: Any) -> None:
    st.session_state.setdefault(_DRAWING, {}).setdefault(key, label)


def keep(key: str, value: T) -> T:
    """Return and remember the value of the widget of ``key``, after it was drawn."""
    _write(key, value)
    drawn(key)
    return value


def put(key: str, value: Any) -> None:
    """Set the widget of ``key`` to ``value``, before it is drawn or in a callback."""
    _write(key, value)
    st.session_state[key] = value
    st.session_state.get(_SHOWN, {}).pop(key, None)


def _write(key: str, value: Any) -> None:
    if key in _FIELDS:
        session().explore = replace(session().explore, **{key.removeprefix(EXPLORE): value})
    else:
        session().values[key] = value


def forget() -> None:
    """Forget the values of all widgets, before any is drawn."""
    for key in [str(key) for key in st.session_state]:
        if key in session().values or key.startswith(EXPLORE):
            del st.session_state[key]
    session().values.clear()
    session().explore = ExploreState()


def remember(draw: Any, label: str, key: str, default: T, allowed: Collection[Any] | None = None, **settings: Any) -> T:
    """Draw a widget that is no choice, at the remembered value or ``default``; return and remember its value.

    Args:
        draw: such as ``st.toggle``.
    """
    value: T = draw(label, value=recall(key, default, allowed), key=key, **settings)
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
    labels, used = dict[T, str](), set[str]()
    for option in options:
        labels[option] = free_name(words(option), used)
        used.add(labels[option])
    value = recall(key, default, labels)
    shown = st.session_state.get(_SHOWN, {}).get(key)
    if shown and shown[0] == value and shown[1] != labels[value]:
        st.session_state[key] = value
    index = list(labels).index(value)
    chosen: T = draw(label, list(labels), index, key=key, format_func=labels.__getitem__, **settings)
    drawn(key, chosen, labels[chosen])
    return keep(key, chosen)


def one_of_few(label: str, options: Iterable[T], key: str, default: T, **settings: Any) -> T:
    """Draw as ``one_of``, with all options visible side by side."""
    return one_of(label, options, key, default, draw=st.radio, **{"horizontal": True} | settings)


def tabs(names: Sequence[str], key: str) -> tuple[str, Any]:
    """Draw tabs, with the remembered one or the first open; return its name, and the place of what is in it."""
    drawn = st.tabs(names, default=recall(key, names[0], names), key=key, on_change="rerun")
    opened = next(at for at, tab in enumerate(drawn) if tab.open)
    return keep(key, names[opened]), drawn[opened]
