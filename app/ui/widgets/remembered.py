"""Widgets that remember their value: across pages, across a reload, and when a run was interrupted.

Streamlit forgets the state of a widget that a run did not draw. So the value of a widget is recalled from the session
before it is drawn, and saved there afterwards. A value that is set from here reaches the browser with the run that
sets it; if another event interrupts that run, the browser may never see it and shows the widget's default. So a value
is set in every run until one has completed, and then no more: the browser may be ahead by then. On a busy machine even
a complete run may be lost on its way. So the recalled value is also given to the widget as its default.

A browser knows a choice by its label alone, so a list of choices is drawn by ``one_of`` or ``one_of_few``: equal labels
are numbered, and a choice whose label has changed is set again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast

import streamlit as st

from app.ui.resources import session
from app.ui.streamlit_insides import drop_widgets_of_before, registered_widgets
from app.visitor.page_state import Place

T = TypeVar("T")

# The keys of widgets; for a list of choices, each with its choice and the label of that.
_DRAWING, _SHOWN = "widgets of this run", "widgets of the last complete run"
_REGISTERED = "widgets before this run"


def run_begins() -> None:
    st.session_state[_DRAWING] = {}
    st.session_state[_REGISTERED] = registered_widgets()


def run_ends() -> None:
    """End a complete run: its widgets are now those on the page."""
    st.session_state[_SHOWN] = st.session_state[_DRAWING]
    drop_widgets_of_before(st.session_state.pop(_REGISTERED))


def recall(place: Place[T | None], default: T, allowed: Collection[Any] | None = None) -> T:
    """Return the remembered value of ``place``, or ``default`` if not in ``allowed``, before its widget is drawn."""
    held = place.read(session())
    before = default if held is None else held
    value: T = st.session_state.get(place.key, before)
    if allowed is not None and value not in allowed:
        value = before if before in allowed else default
    set_widget(place.key, value)
    return value


def set_widget(key: str, value: Any) -> None:
    """Set the widget of ``key`` to ``value``, before it is drawn.

    Nothing is set if the last complete run has drawn it with this value: that would undo what the visitor does
    meanwhile.
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


def remember(draw: Any, label: str, place: Place[T | None], default: T, **settings: Any) -> T:
    """Draw a widget that is no choice, at the remembered value or ``default``; return and remember its value.

    Args:
        draw: such as ``st.toggle``.
    """
    value: T = draw(label, value=recall(place, default), key=place.key, **settings)
    return keep(place, value)


def one_of(
    label: str,
    options: Iterable[T],
    place: Place[T | None],
    default: T,
    words: Callable[[T], str] = str,
    **settings: Any,
) -> T:
    """Draw a list of choices, at the remembered choice or ``default``.

    Args:
        options: hashable.
        words: gives the label of an option.
    """
    return _chosen(st.selectbox, label, options, place, default, words, settings)


def one_of_few(label: str, options: Iterable[T], place: Place[T | None], default: T, **settings: Any) -> T:
    """Draw as ``one_of``, with all options visible side by side."""
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
    labels, key = _numbered({option: words(option) for option in options}), place.key
    value = recall(place, default, labels)
    shown = st.session_state.get(_SHOWN, {}).get(key)
    if shown is not None and shown[0] == value and shown[1] != labels[value]:
        st.session_state[key] = value
    index = list(labels).index(value)
    chosen: T = draw(label, list(labels), index, key=key, format_func=labels.__getitem__, **settings)
    st.session_state.setdefault(_DRAWING, {})[key] = chosen, labels[chosen]
    return keep(place, chosen)


def tabs(names: Sequence[str], place: Place[str | None]) -> tuple[str, Any]:
    """Draw tabs, with the remembered one or the first open; return its name, and the place of what is in it."""
    drawn = st.tabs(names, default=recall(place, names[0], names), key=place.key, on_change="rerun")
    opened = next(at for at, tab in enumerate(drawn) if tab.open)
    return keep(place, names[opened]), drawn[opened]


def value_in_browser(place: Place[T | None]) -> T | None:
    """Return the widget's value in the browser, in a callback: it may be ahead of the last run."""
    return cast("T | None", st.session_state.get(place.key, place.read(session())))


def _numbered(labels: dict[T, str]) -> dict[T, str]:
    """Number equal labels: the second is "name (2)"."""
    seen: Counter[str] = Counter()
    for option, words in labels.items():
        seen[words] += 1
        if seen[words] > 1:
            labels[option] = f"{words} ({seen[words]})"
    return labels


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
