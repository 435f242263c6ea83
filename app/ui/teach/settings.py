"""The settings of a training: three ways to choose them, and which act at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from app import text
from app.teaching.settings import (
    CUSTOM,
    FREE,
    LOCAL_PROMPTS,
    PAPER,
    QUICK,
    TRAINING_WAYS,
    Settings,
    preset,
    with_prompts,
)
from app.towers.options import DEFAULT_TOWER
from app.ui.explanation.current import put_scales
from app.ui.widgets.remembered import keep, put, recall
from app.visitor.page_state import Place, TeachState
from app.visitor.session import Session
from gallop.setting import Setting, settings_of


def choose_settings(session: Session) -> None:
    """Draw them; ``session.training.settings`` is what they stand at."""
    label = f"Settings: {session.teach.way or QUICK}"
    # With a key and a state of its own it stays open when its label changes.
    with st.expander(label, icon=":material/tune:", key="settings", on_change="rerun"):
        place, ways = TeachState.way, list(TRAINING_WAYS)
        shown = recall(place, QUICK, ways)
        way = keep(place, st.segmented_control("How to teach", ways, default=shown, key=place.key, required=True))
        st.caption(TRAINING_WAYS[way])
        if way == QUICK and session.training.tower != DEFAULT_TOWER:
            st.caption(
                f":material/info: They were measured on {DEFAULT_TOWER}; for {text.markdown(session.training.tower)} "
                f"nothing was, and the paper's, *{PAPER}*, are the usual ones."
            )
        st.markdown(":material/model_training: **Take effect with the next training**")
        asked = {name: about for name, about in settings_of(Settings).items() if about.form or about.choices}
        fixed = {"global_prompts": asked["global_prompts"], "local_prompts": LOCAL_PROMPTS}
        fixed |= {name: about for name, about in asked.items() if name not in FREE}
        values = _asked(fixed, None if way == CUSTOM else preset(way))
        values |= _asked({name: asked[name] for name in FREE}, None)
        st.markdown(":material/bolt: **Act at once, without a training** (the next training learns with them too)")
        topk = _scales(session, int(values.pop("local_prompts")))
        st.caption(
            "The sliders of k on the page *Explore* follow. "
            "The class list, the threshold and the colours there act at once too."
        )
    usual = preset(PAPER if way == PAPER else QUICK)  # has what is not asked for
    session.training.settings = replace(usual, **values, topk=topk)


def _asked(settings: Mapping[str, Setting], fixed: Settings | None) -> dict[str, Any]:
    """The answer for each setting; with ``fixed`` they only show its values."""
    values: dict[str, Any] = {}
    for (name, about), column in zip(settings.items(), _cells(len(settings)), strict=True):
        place: Place[Any] = TeachState.local_prompts if name == "local_prompts" else TeachState.settings.at(name)
        usual = getattr(fixed or preset(QUICK), name)
        if fixed is not None:
            put(place, usual)
        values[name] = keep(place, _widget(column, place.key, about, recall(place, usual), disabled=fixed is not None))
    return values


def _widget(column: Any, key: str, about: Setting, shown: Any, *, disabled: bool) -> Any:
    common: dict[str, Any] = {"key": key, "help": about.help, "disabled": disabled}
    if about.choices:
        return column.selectbox(about.label, about.choices, about.choices.index(shown), **common)
    assert about.form is not None
    number = type(shown)  # Streamlit wants all four of one kind
    least, most, step = map(number, about.form)
    shape = "%.4g" if number is float else None
    return column.number_input(about.label, least, most, shown, step=step, format=shape, **common)


def _cells(count: int, columns: int = 3) -> list[Any]:
    return [column for start in range(0, count, columns) for column in st.columns(columns)[: count - start]]


def _scales(session: Session, count: int) -> tuple[int, ...]:
    usual = with_prompts(session.training.settings.topk, count)
    chosen = []
    for n, column in enumerate(_cells(count, 4)):
        place = TeachState.scales.at(n)
        shown = recall(place, usual[n])
        label = f"k of local prompt {n + 1}"
        found = column.number_input(
            label, 1, 1024, shown, key=place.key, help="How many regions its score is the mean of."
        )
        chosen.append(int(keep(place, found)))
    if tuple(chosen) != session.training.settings.topk:
        put_scales(session, chosen)
    return tuple(chosen)
