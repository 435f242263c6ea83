"""The explainer on other pages than Explore: of a photo that the page chose, or one map of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.ui.resources import session
from app.ui.widgets.explainer import KEY, draw_explainer
from app.visitor.page_state import AskedRegion
from gallop.maps.explainer.data import explainer_data
from gallop.maps.explainer.stands import Stands
from gallop.maps.look import Scale

if TYPE_CHECKING:
    from gallop import Explanation


def photo_explained(explanation: Explanation, *, picture: str, stands: Stands, tell: Callable[[Stands], None]) -> None:
    """Draw a photo explained; no run is needed while a hand moves.

    Args:
        explanation: at the scales to which a button leads back.
        picture: the photo in a data URL.
        stands: what it is to stand at.
        tell: takes what a hand leaves it at.
    """

    def told() -> None:
        tell(_said(KEY).of(explanation))

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
        session().region = AskedRegion.of(_said(key).of(explanation).region, explanation.grid)
        session().region_of = photo

    asked = session().region if session().region_of == photo else None
    region = None if asked is None else asked.on(explanation.grid)
    stands = Stands(class_name, prompt=prompt, topk=tuple(explanation.topk), region=region)
    data = explainer_data(explanation, stands=_answered(key, stands), photo=picture, scale=scale, compact=True)
    _send(key, data, told)


def _send(key: str, data: dict[str, Any], told: Callable[[], None]) -> None:
    """All of it, under an id that is of these data alone."""
    whole = {name: value for name, value in data.items() if name != "stands"}
    name = hashlib.sha256(json.dumps(whole).encode()).hexdigest()
    draw_explainer(key, {"id": name, "stands": data["stands"], "whole": whole}, told)


def _answered(key: str, stands: Stands) -> Stands:
    """As an answer to the last movement of a hand."""
    return replace(stands, turn=_said(key).turn)


def _said(key: str) -> Stands:
    """What the browser told last."""
    found: Any = st.session_state.get(key)
    stands = getattr(found, "stands", None)
    return Stands.told(stands if isinstance(stands, dict) else {})
