"""The settings of a training: three ways to choose them, and which act at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from app.teaching.cards import MOST_PHOTOS
from app.teaching.settings import CUSTOM, MOST_PROMPTS, PAPER, QUICK, TRAINING_WAYS, Settings, preset, with_prompts
from app.ui.explanation.maps import put_scales
from app.ui.widgets.remembered import keep, put, recall
from app.visitor.session import Session

# Field of Settings: (label, what it does, least, most, step)
_FIELDS: dict[str, tuple[str, str, float, float, float]] = {
    "epochs": ("Rounds (epochs)", "How often it goes through all the photos.", 1, 500, 1),
    "lr": ("Learning rate", "How large a step is. Too large, and it learns nothing.", 0.0001, 1.0, 0.001),
    "views": (
        "Views of a photo",
        "Random crops kept of each photo. 0: a fresh one every time, which is slow.",
        0,
        32,
        1,
    ),
    "dropout": (
        "Prompt dropout",
        "Share of the global prompts left out for each photo, so that they differ.",
        0.0,
        0.9,
        0.05,
    ),
    "global_prompts": ("Global prompts (M)", "Each is matched with the whole photo.", 1, MOST_PROMPTS, 1),
    "local_prompts": ("Local prompts (N)", "Each is matched with regions, at a scale of its own.", 0, MOST_PROMPTS, 1),
}
FREE: dict[str, tuple[str, str, float, float, float]] = {
    "shots": ("Photos of each class (shots)", "Drawn by the seed from the cards. 0: all of them.", 0, MOST_PHOTOS, 1),
    "seed": ("Seed", "The same seed and the same photos give the same prompts.", 0, 10_000, 1),
}


def choose_settings(session: Session) -> None:
    """Draw them; ``session.training.settings`` is what they stand at."""
    label = f"Settings: {session.kept.get('way', QUICK)}"
    # With a key and a state of its own it stays open when its label changes.
    with st.expander(label, icon=":material/tune:", key="settings", on_change="rerun"):
        shown = recall("way", QUICK, tuple(TRAINING_WAYS))
        way = keep(
            "way", st.segmented_control("How to teach", list(TRAINING_WAYS), default=shown, key="way", required=True)
        )
        st.caption(TRAINING_WAYS[way])
        st.markdown(":material/model_training: **Take effect with the next training**")
        values = _numbers(_FIELDS, session, None if way == CUSTOM else preset(way))
        values |= _numbers(FREE, session, None)
        st.markdown(":material/bolt: **Act at once, without a training** (the next training learns with them too)")
        topk = _scales(session, int(values.pop("local_prompts")))
        st.caption(
            "The sliders of k on the page *Explore* follow. "
            "The class list, the threshold and the colours there act at once too."
        )
    batch = preset(PAPER if way == PAPER else QUICK).batch_size
    session.training.settings = replace(session.training.settings, **values, topk=topk, batch_size=batch)


def _numbers(fields: dict[str, Any], session: Session, fixed: Settings | None) -> dict[str, Any]:
    """A number for each field; with ``fixed`` they only show its values."""
    values: dict[str, Any] = {}
    for (name, (label, words, least, most, step)), column in zip(fields.items(), _cells(len(fields)), strict=True):
        key = f"set {name}"
        usual = _value(fixed or preset(QUICK), name)
        if fixed is not None:
            put(key, usual)
        shown = recall(key, usual)
        small = isinstance(usual, float)
        found = column.number_input(
            label,
            least if small else int(least),
            most if small else int(most),
            shown,
            step=step if small else int(step),
            format="%.4g" if name == "lr" else None,
            key=key,
            help=words,
            disabled=fixed is not None,
        )
        values[name] = keep(key, found)
    return values


def _value(settings: Settings, name: str) -> float | int:
    found: float | int = len(settings.topk) if name == "local_prompts" else getattr(settings, name)
    return found


def _cells(count: int, columns: int = 3) -> list[Any]:
    return [column for start in range(0, count, columns) for column in st.columns(columns)[: count - start]]


def _scales(session: Session, count: int) -> tuple[int, ...]:
    usual = with_prompts(session.training.settings.topk, count)
    chosen = []
    for n, column in enumerate(_cells(count, 4)):
        key = f"set k {n}"
        shown = recall(key, usual[n])
        label = f"k of local prompt {n + 1}"
        found = column.number_input(label, 1, 1024, shown, key=key, help="How many regions its score is the mean of.")
        chosen.append(int(keep(key, found)))
    if tuple(chosen) != session.training.settings.topk:
        put_scales(chosen)
    return tuple(chosen)
