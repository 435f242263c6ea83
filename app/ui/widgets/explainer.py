"""The explainer and the steps of the method in the app: the same scripts as in a notebook and in the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from app.library import Explanation
from app.photos.sample_answers import SampleAnswer
from app.ui.resources import session
from app.ui.widgets.elements import reported
from app.views.exploring import answer_as_text, look_at
from app.visitor.page_state import DEFAULT_TEMPLATES, AskedRegion, PhotoEdit
from gallop.maps.explainer import STEPS, STEPS_STYLE_SHEET, STYLE_SHEET, script
from gallop.maps.explainer.payload import all_sent, explainer_data
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.map_style import Subject, scale_of

KEY = "explainer"
_HIDDEN = Path(__file__).with_name("answer.css")
_draw = st.components.v2.component("gallop_explainer", js=script(), css=STYLE_SHEET.read_text(encoding="utf-8"))


def explainer(
    explanation: Explanation,
    before: Explanation | None,
    *,
    photo: str,
    edit: PhotoEdit,
    when: str,
    templates: Sequence[str],
) -> None:
    """Draw the photo explained; its last state becomes that of Explore, and moving it needs no run.

    Args:
        explanation: at the model's scales.
        before: the same before teaching, or before regions were covered.
        photo: content hash.
        edit: on this photo and its grid.
        when: what ``before`` is called.
        templates: texts of prompts that were not learned.
    """
    label = "before covering" if edit.regions else when

    def content(state: ExplainerState) -> tuple[str, dict[str, Any]]:
        complete = all_sent(explanation, 1 if before is None else 2)
        depends_on = None if complete else (state.class_name, state.against, state.topk)
        return session().answers.picture(
            explanation,
            (
                *("explainer", before and id(before.similarities), explanation.threshold, explanation.doubt, label),
                *(tuple(explanation.words), depends_on, templates),
            ),
            lambda: make(state),
        )

    def make(state: ExplainerState) -> tuple[str, dict[str, Any]]:
        url = session().answers.photo_url(explanation)
        data = explainer_data(explanation, before=before, when=label, state=state, photo=url, templates=templates)
        del data["state"]
        return hashlib.sha256(json.dumps(data).encode()).hexdigest(), data

    _drawn(explanation, photo, content, edit)


def explainer_beforehand(answer: SampleAnswer) -> None:
    _drawn(
        answer,
        answer.sha256,
        lambda _: (answer.sha256, answer.shown | {"templates": DEFAULT_TEMPLATES}),
        session().edit.on(answer.sha256, answer.grid),
    )


def _drawn(
    extent: Explanation | SampleAnswer,
    photo: str,
    content: Callable[[ExplainerState], tuple[str, dict[str, Any]]],
    edit: PhotoEdit,
) -> None:
    """Send photo and cosines only once: of content that the page reports having, only the id is sent. The state that it
    reported last is not sent back.
    """

    def touched() -> None:
        if session().explore.photo is None:
            look_at(session(), photo)  # the first sample: a photo that the visitor has touched is chosen

    def on_edit() -> None:
        touched()
        session().edit = edit.told(reported(KEY, "edit", dict))

    def on_change() -> None:
        touched()
        state = ExplainerState.from_browser(reported(KEY, "state", dict)).of(extent)
        if reported(KEY, "state", dict).get("of", name) != name:  # another photo came in between
            state = replace(state, region=session().explore.explainer_state(photo, extent.grid).region)
        session().explore = session().explore.with_explainer_state(state, photo, extent.grid)

    state = _answered(KEY, session().explore.explainer_state(photo, extent.grid).of(extent))
    name, data = content(state)
    holds = reported(KEY, "state", dict).get("holds")
    there = isinstance(holds, list) and name in holds and reported(KEY, "lacks", dict).get("id") != name
    echo = (
        there
        and reported(KEY, "state", dict).get("of") == name
        and ExplainerState.from_browser(reported(KEY, "state", dict)).of(extent) == state
    )
    crop, (width, height) = extent.crop, extent.image.size
    unseen = 1 - (crop.right - crop.left) * (crop.bottom - crop.top) / (width * height)  # of the photo, by the model
    _draw(
        key=KEY,
        data={"id": name, "edit": edit.as_dict() | {"unseen": unseen}}
        | ({} if echo else {"state": state.as_dict()})
        | ({} if there else {"content": data}),
        on_state_change=on_change,
        on_edit_change=on_edit,
        on_lacks_change=lambda: None,
    )
    with st.container(key="answer as text"):
        st.html(_HIDDEN)
        st.text(answer_as_text(extent, state))


def photo_explained(explanation: Explanation, state: ExplainerState, moved: Callable[[ExplainerState], None]) -> None:
    """Draw a photo explained; moving it needs no run.

    Args:
        explanation: at the scales that its reset button restores.
        state: what it shows at first.
        moved: takes the state in which the visitor leaves it.
    """

    def on_change() -> None:
        moved(ExplainerState.from_browser(reported(KEY, "state", dict)).of(explanation))

    shown = replace(explanation, alike="")  # what prompts say is another page's
    url = session().answers.photo_url(explanation)
    _send(KEY, explainer_data(shown, state=_answered(KEY, state), photo=url), on_change)


def one_map(
    explanation: Explanation,
    class_name: str,
    *,
    photo: str,
    beside: Sequence[Explanation] = (),
    key: str,
) -> None:
    """Draw only the map of a class and the first local prompt, and the region that was clicked.

    Args:
        photo: content hash: a click on a region selects it in all maps of the same photo.
        beside: of the same photo, whose maps have one scale of colours with this one; none where it has its own.
    """

    def on_change() -> None:
        region = ExplainerState.from_browser(reported(key, "state", dict)).of(explanation).region
        asked = AskedRegion.of(region, explanation.grid)
        session().explore = replace(session().explore, region=asked, region_of=photo)

    region = session().explore.explainer_state(photo, explanation.grid).region
    state = ExplainerState(class_name, topk=tuple(explanation.topk), region=region)
    scale = scale_of([Subject(each, class_name).scores(0) for each in beside]) if beside else None
    url = session().answers.photo_url([*beside, explanation][0])
    data = explainer_data(explanation, state=_answered(key, state), photo=url, scale=scale, compact=True)
    _send(key, data, on_change)


def _send(key: str, data: dict[str, Any], on_change: Callable[[], None]) -> None:
    """Send all data, with an id that belongs to these data alone."""
    content = {name: value for name, value in data.items() if name != "state"}
    name = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    sent = {"id": name, "state": data["state"], "content": content}
    _draw(key=key, data=sent, on_state_change=on_change, on_edit_change=lambda: None, on_lacks_change=lambda: None)


def _answered(key: str, state: ExplainerState) -> ExplainerState:
    """Return the state as an answer to the visitor's last movement."""
    return replace(state, turn=ExplainerState.from_browser(reported(key, "state", dict)).turn)


# Draws the steps of the method on a photo, which are its ``data``.
steps = st.components.v2.component(
    "gallop_steps",
    js=script(STEPS),
    css="\n".join(path.read_text(encoding="utf-8") for path in (STYLE_SHEET, STEPS_STYLE_SHEET)),
)
