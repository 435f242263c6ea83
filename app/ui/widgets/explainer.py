"""The explainer and the steps of the method in the app: the same scripts as in a notebook and in the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from app.library import Explanation
from app.photos.sample_answers import SampleAnswer
from app.ui.resources import session
from app.views.exploring import look_at
from app.visitor.page_state import AskedRegion
from gallop.maps.explainer import STEPS, STEPS_STYLE_SHEET, STYLE_SHEET, script
from gallop.maps.explainer.data import all_sent, explainer_data
from gallop.maps.explainer.stands import Extent, Stands
from gallop.maps.look import Scale

KEY = "explainer"
_explainer_draw = st.components.v2.component(
    "gallop_explainer", js=script(), css=STYLE_SHEET.read_text(encoding="utf-8")
)


def draw_explainer(key: str, sent: dict[str, Any], told: Callable[[], None]) -> None:
    """Draw the component ``key``; ``told`` is called where a hand lets go of it."""
    _explainer_draw(key=key, data=sent, on_stands_change=told, on_lacks_change=lambda: None)


def explainer(explanation: Explanation, before: Explanation | None, *, photo: str, picture: str) -> None:
    """Draw the photo explained; where a hand leaves it is what Explore stands at, and no run is needed while it moves.

    Args:
        explanation: at the model's own scales.
        before: the same before teaching.
        photo: content hash.
        picture: the photo in a data URL.
    """

    def whole(stands: Stands) -> tuple[str, dict[str, Any]]:
        takes = 1 if before is None else 2
        told = None if all_sent(explanation, takes) else (stands.class_name, stands.against, stands.topk)
        return session().answers.picture(
            explanation,
            ("explainer", before and id(before.similarities), explanation.threshold, explanation.doubt, told),
            lambda: _whole(stands),
        )

    def _whole(stands: Stands) -> tuple[str, dict[str, Any]]:
        data = explainer_data(explanation, before=before, stands=stands, photo=picture)
        del data["stands"]
        return hashlib.sha256(json.dumps(data).encode()).hexdigest(), data

    _drawn(explanation, photo, whole)


def explainer_beforehand(answer: SampleAnswer) -> None:
    _drawn(answer, answer.sha256, lambda _: (answer.sha256, answer.shown))


def _drawn(extent: Extent, photo: str, whole: Callable[[Stands], tuple[str, dict[str, Any]]]) -> None:
    """Photo and cosines are sent once: what the page has already, by its own words, goes by its id alone, and what it
    told last is not told to it.
    """

    def told() -> None:
        if session().explore.photo is None:
            look_at(session(), photo)  # the one to begin with: what a hand has touched is chosen
        stands = Stands.told(_told("stands")).of(extent)
        if _told("stands").get("of", name) != name:  # another photo came in between
            stands = replace(stands, region=session().explore.explainer_state(photo, extent.grid).region)
        session().explore = session().explore.with_explainer_state(stands, photo, extent.grid)

    stands = session().explore.explainer_state(photo, extent.grid).of(extent)
    stands = _answered(KEY, stands)
    name, data = whole(stands)
    holds = _told("stands").get("holds")
    there = isinstance(holds, list) and name in holds and _told("lacks").get("id") != name
    echo = there and _told("stands").get("of") == name and Stands.told(_told("stands")).of(extent) == stands
    draw_explainer(
        KEY, {"id": name} | ({} if echo else {"stands": stands.as_dict()}) | ({} if there else {"whole": data}), told
    )


def _told(what: str, key: str = KEY) -> Mapping[str, Any]:
    """What the browser told last."""
    found: Any = getattr(st.session_state.get(key), what, None)
    return found if isinstance(found, dict) else {}


def photo_explained(explanation: Explanation, *, picture: str, stands: Stands, tell: Callable[[Stands], None]) -> None:
    """Draw a photo explained; no run is needed while a hand moves.

    Args:
        explanation: at the scales to which a button leads back.
        picture: the photo in a data URL.
        stands: what it is to stand at.
        tell: takes what a hand leaves it at.
    """

    def told() -> None:
        tell(Stands.told(_told("stands")).of(explanation))

    _send(KEY, explainer_data(explanation, stands=_answered(KEY, stands), photo=picture), told)


def one_map(
    explanation: Explanation,
    class_name: str,
    prompt: int,
    *,
    photo: str,
    picture: str,
    scale: Scale | None = None,
    key: str,
) -> None:
    """Draw the map of a class and a local prompt (counted from 0) alone, with what a region that is asked looks like.

    Args:
        photo: content hash: a region that is asked is asked of all maps of the same photo.
        scale: of its colours, where maps beside it share one.
    """

    def told() -> None:
        session().region = AskedRegion.of(Stands.told(_told("stands", key)).of(explanation).region, explanation.grid)
        session().region_of = photo

    asked = session().region if session().region_of == photo else None
    stands = Stands(
        class_name,
        prompt=prompt,
        topk=tuple(explanation.topk),
        region=None if asked is None else asked.on(explanation.grid),
    )
    _send(
        key, explainer_data(explanation, stands=_answered(key, stands), photo=picture, scale=scale, compact=True), told
    )


def _send(key: str, data: dict[str, Any], told: Callable[[], None]) -> None:
    """All of it, under an id that is of these data alone."""
    whole = {name: value for name, value in data.items() if name != "stands"}
    name = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    draw_explainer(key, {"id": name, "stands": data["stands"], "whole": whole}, told)


def _answered(key: str, stands: Stands) -> Stands:
    """As an answer to the last movement of a hand."""
    return replace(stands, turn=Stands.told(_told("stands", key)).turn)


_steps_draw = st.components.v2.component(
    "gallop_steps",
    js=script(STEPS),
    css="\n".join(path.read_text(encoding="utf-8") for path in (STYLE_SHEET, STEPS_STYLE_SHEET)),
)


def steps(data: dict[str, Any]) -> None:
    _steps_draw(key="steps", data=data)
