"""The settings of a training: dropout and k visible, the others in an expander, with three ways to choose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import text
from app.teaching.training import (
    CUSTOM,
    FREE,
    LOCAL_PROMPTS,
    WAYS,
    TeachSettings,
    preset,
    regions_of,
    usual_way,
    way_in_words,
    way_of,
    with_prompts,
)
from app.ui.explanation import tune
from app.ui.resources import backbones
from app.ui.widgets import backbone_choice as backbones_widget
from app.ui.widgets.elements import cells
from app.ui.widgets.remembered import keep, one_of_few, put, recall, remember
from app.visitor.session import Session
from gallop.backbones.weights import KnownBackbone
from gallop.setting import Setting, settings_of

_WAY = "teach way"


def choose(session: Session) -> None:
    """Draw them once there is a run to change, or what was chosen for it elsewhere; their values are
    ``session.training.settings``, for the backbone that is chosen.

    A choice of backbones is always visible: a visitor who chose a wrong one would look for it.
    """
    several, training = backbones_widget.is_choice(), session.training
    if several:
        backbones_widget.choose_backbone(session)
    # With several backbones, always: each has separate settings, and its own k.
    if several or training.run_now is not None or training.backbone_name in training.settings_by_backbone:
        heart = st.container()  # dropout and k, which are always visible
        # Its label never changes: with another label it was another panel to a browser, and closed while it was in use.
        with st.expander("All settings", icon=":material/tune:", key="settings", on_change="rerun") as fold:
            if fold.open and not several:
                backbones_widget.choose_backbone(session)
            _choose(session, heart, drawn=bool(fold.open))


def _choose(session: Session, heart: DeltaGenerator, *, drawn: bool) -> None:
    """Draw what is always visible, and the others where they are ``drawn``: closed, they have the remembered values."""
    known = backbones().status(session.training.backbone_name).known
    if session.form_of != session.training.backbone_name:
        _put_settings_of(session, known)
    before = session.values.get(_WAY)
    shown = usual_way(known.preset)
    way = one_of_few("How to teach", WAYS, _WAY, shown) if drawn else recall(_WAY, shown, WAYS)
    usual = preset(way, known.preset, regions_of(known), session.training.counted)
    if way not in (before, CUSTOM) and usual.topk != preset(before or way, known.preset, regions_of(known)).topk:
        _put_scales(usual.topk)
    if drawn:
        st.caption(text.markdown(way_in_words(way, known)))
    asked = {  # with a range or a choice, or to be switched on: what the paper has on is always on here
        name: about
        for name, about in settings_of(TeachSettings).items()
        if about.form or about.choices or about.among or about.offered or getattr(TeachSettings(), name) is False
    }
    fixed = {"global_prompts": asked["global_prompts"], "local_prompts": LOCAL_PROMPTS}
    fixed |= {name: about for name, about in asked.items() if name not in FREE}
    values = _asked(fixed, usual, disabled=way != CUSTOM, drawn=drawn)
    values |= _asked({name: asked[name] for name in FREE if name != "dropout"}, usual, drawn=drawn)
    with heart:
        values["dropout"] = tune.dropout(session, int(values["global_prompts"]))
        topk = _scales(session, known, int(values.pop("local_prompts")))
        tune.live(session)
    session.training.settings = replace(usual, **values, topk=topk)  # what is not asked for has its usual value


def _put_settings_of(session: Session, known: KnownBackbone) -> None:
    """Set the form to the last settings for this backbone: each has separate settings."""
    settings = session.training.settings_on(known)
    put(_WAY, way_of(settings, known.preset, regions_of(known), session.training.counted))
    for name in settings_of(TeachSettings):
        if name != "topk":
            put(_key(name), getattr(settings, name))
    _put_scales(settings.topk)
    session.form_of = session.training.backbone_name


def _put_scales(topk: Sequence[int]) -> None:
    put(_key("local_prompts"), len(topk))
    for n, k in enumerate(topk):
        put(f"teach scales {n}", k)


def _asked(
    settings: Mapping[str, Setting], usual: TeachSettings, *, disabled: bool = False, drawn: bool
) -> dict[str, Any]:
    """Draw a widget for each setting and return their values; ``disabled`` ones only show the usual values."""
    values: dict[str, Any] = {}
    for (name, about), column in zip(
        settings.items(), cells(len(settings), 2) if drawn else cycle([None]), strict=False
    ):
        key, value = _key(name), getattr(usual, name)
        if disabled:
            put(key, value)
        values[name] = shown = recall(key, value)
        if drawn:
            values[name] = keep(key, _widget(column, key, about, shown, disabled=disabled))
    return values


def _key(name: str) -> str:
    return f"teach settings {name}"


def _widget(column: Any, key: str, about: Setting, shown: Any, *, disabled: bool) -> Any:
    common: dict[str, Any] = {"key": key, "help": about.help, "disabled": disabled}
    if isinstance(shown, bool):  # no switch: its label has one line, which does not fit in half a column
        words = {False: "no", True: "yes"}
        return column.selectbox(about.label, list(words), int(shown), format_func=words.__getitem__, **common)
    if about.choices or about.offered:
        texts = list(about.choices) or list(dict.fromkeys((*about.offered, shown)))
        return column.selectbox(about.label, texts, texts.index(shown), **common)
    if about.among:
        return column.selectbox(about.label, about.among, about.among.index(shown), format_func="{:g}".format, **common)
    assert about.form is not None
    number = type(shown)  # Streamlit wants all four of one type
    least, most, step = map(number, about.form)
    return column.number_input(
        about.label, least, most, shown, step=step, format="%.4g" if number is float else None, **common
    )


# Pixels: four fit side by side in a column.
_K_WIDE = 76


def _scales(session: Session, known: KnownBackbone, count: int) -> tuple[int, ...]:
    last, regions = session.training.settings_on(known).topk, regions_of(known)
    chosen, line = [], st.container(horizontal=True, gap="small")
    for n, usual in enumerate(with_prompts(last, count, regions)):
        within: dict[str, Any] = {"min_value": 1, "max_value": regions, "width": _K_WIDE}
        key, allowed = f"teach scales {n}", range(1, regions + 1)
        chosen.append(remember(line.number_input, f"k, local {n + 1}", key, usual, allowed, **within))
    st.caption(
        f"k: how many of the {regions} regions a local prompt's score is the mean of. It acts at once."
        if count
        else "Without local prompts there is no k; their number is among all settings."
    )
    if tuple(chosen) != last:
        session.explore = session.explore.with_scales(chosen)
    return tuple(chosen)
