"""The photos that can be looked at, side by side, each with its answer where that is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from app.views.exploring import PhotoTile

_KEY = "photo strip"
_HERE = Path(__file__)
_draw = st.components.v2.component(
    "gallop_photo_strip",
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
)


def photo_strip(
    tiles: Sequence[PhotoTile], chosen: str | None, choose: Callable[[str], None], take_away: Callable[[str], None]
) -> None:
    """Draw it.

    Args:
        chosen: content hash of the photo that is shown.
        choose, take_away: told a content hash, which may be of no photo: anybody may send anything.
    """

    def heard(name: str, act: Callable[[str], None]) -> Callable[[], None]:
        def call() -> None:
            found: Any = getattr(st.session_state.get(_KEY), name, None)
            if isinstance(found, str):
                act(found)

        return call

    data = {"tiles": [asdict(tile) for tile in tiles], "chosen": chosen}
    _draw(key=_KEY, data=data, on_chosen_change=heard("chosen", choose), on_away_change=heard("away", take_away))
