"""Widgets that keep what they stand at: over another page, over a reload, and over a run that was cut short.

Streamlit forgets the state of a widget that a run did not draw. So before one is drawn its value is recalled from the
session, and after it is drawn the value is kept there. A value that is set from here reaches the browser with the run
that sets it; if another event cuts that run short, the browser may never see it and shows the widget's own default.
So a value is set in every run until one has come to its end, and then no more: the browser may be ahead by then. On a
busy machine even a whole run may be lost on its way. So what is recalled is given to the widget as its default, too.

A browser knows a choice by its words alone, so a list of choices is drawn by ``one_of`` or ``one_of_few``: words that
are the same are told apart, and a choice whose words have changed is set again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields
from typing import Any, TypeVar

import streamlit as st

from app.ui.resources import session
from app.ui.streamlit_insides import drop_widgets_of_before, registered_widgets
from app.visitor.page_state import Place

T = TypeVar("T")

# Their keys, each with its choice and the words of it, where it is a list of choices.
_DRAWING, _SHOWN = "widgets of this run", "widgets of the last whole run"
_REGISTERED = "widgets before this run"


def run_begins() -> None:
    st.session_state[_DRAWING] = {}
    st.session_state[_REGISTERED] = registered_widgets()


def run_ends() -> None:
    """End a whole run: what it has drawn is what there is now."""
    st.session_state[_SHOWN] = st.session_state[_DRAWING]
    drop_widgets_of_before(st.session_state.pop(_REGISTERED))


def recall(place: Place[T | None], default: T, allowed: Collection[Any] | None = None) -> T:
    """Return the remembered value of ``place``, or ``default`` if not in ``allowed``, before its widget is drawn."""
    held = place.read(session())
    before = default if held is None else held
    value: T = st.session_state.get(place.key, before)
    if allowed is not None and value not in allowed:
        value = before if before in allowed else default
    let_stand(place.key, value)
    return value


def let_stand(key: str, value: Any) -> None:
    """Set the widget of ``key`` to ``value``, before it is drawn.

    Nothing is set where a whole run has drawn it so: what a hand does meanwhile would be taken back.
    """
    shown = key in st.session_state and key in st.session_state.get(_SHOWN, ())
    if not shown or st.session_state[key] != value:
        st.session_state[key] = value


def drawn(key: str) -> None:
    st.session_state.setdefault(_DRAWING, {}).setdefault(key, None)


def keep(place: Place[T | None], value: T) -> T:
    """Return and remember the value of the widget of ``place``, after it was drawn."""
    place.write(session(), value)
    drawn(place.key)
    return value


def one_of(
    label: str,
    options: Iterable[T],
    place: Place[T | None],
    default: T,
    words: Callable[[T], str] = str,
    **settings: Any,
) -> T:
    """Draw a list of choices that stands where it stood, or at ``default``.

    Args:
        options: hashable.
        words: what an option is called.
    """
    return _chosen(st.selectbox, label, options, place, default, words, settings)


def one_of_few(label: str, options: Iterable[T], place: Place[T | None], default: T, **settings: Any) -> T:
    """Draw as ``one_of``, with all options in sight beside each other."""
    return _chosen(st.radio, label, options, place, default, str, {"horizontal": True} | settings)


def _chosen(
    draw: Any,
    label: str,
    options: Iterable[T],
    place: Place[T | None],
    default: T,
    words: Callable[[T], str],
    settings: dict[str, Any],
) -> T:
    called, key = _told_apart({option: words(option) for option in options}), place.key
    value = recall(place, default, called)
    shown = st.session_state.get(_SHOWN, {}).get(key)
    if shown is not None and shown[0] == value and shown[1] != called[value]:
        st.session_state[key] = value
    index = list(called).index(value)
    chosen: T = draw(label, list(called), index, key=key, format_func=called.__getitem__, **settings)
    st.session_state.setdefault(_DRAWING, {})[key] = chosen, called[chosen]
    return keep(place, chosen)


def stands_at(place: Place[T | None]) -> T | None:
    """Return the widget's value in the browser, in a callback: it may be ahead of the last run."""
    value: T | None = st.session_state.get(place.key, place.read(session()))
    return value


def _told_apart(called: dict[T, str]) -> dict[T, str]:
    """Number equal labels: the second is "name (2)"."""
    seen: Counter[str] = Counter()
    for option, words in called.items():
        seen[words] += 1
        if seen[words] > 1:
            called[option] = f"{words} ({seen[words]})"
    return called


def forget(*states: type) -> None:
    """Forget the values of these states' widgets, before any is drawn."""
    places = [getattr(state, field.name) for state in states for field in fields(state)]
    keys = [place.key for place in places if isinstance(place, Place)]
    for held in [str(held) for held in st.session_state]:
        if any(held == key or held.startswith(f"{key} ") for key in keys):
            del st.session_state[held]


def put(place: Place[T | None], value: T) -> None:
    """Set the widget of ``place`` to ``value``, before it is drawn or in a callback."""
    place.write(session(), value)
    st.session_state[place.key] = value
    st.session_state.get(_SHOWN, {}).pop(place.key, None)
