"""Small photos side by side, each with its answer: a click chooses one, and some can be removed or selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from app.views.exploring import PhotoTile

_HERE = Path(__file__).with_name("strip.js")
_draw = st.components.v2.component(
    "gallop_photo_strip",
    js=_HERE.read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
)


def photo_strip(
    key: str,
    tiles: Sequence[PhotoTile],
    chosen: str | None,
    choose: Callable[[str], None],
    *,
    take_away: Callable[[str], None] = lambda photo: None,
    select: Callable[[set[str]], None] = lambda photos: None,
) -> None:
    """Draw the strip; tiles that can be selected wrap.

    Args:
        chosen: content hash of the photo that is shown.
        choose, take_away: take a content hash, which may be of no photo: a client may send anything.
        select: takes those that are selected of all tiles.
    """

    def sent(name: str, kind: type) -> Any:
        value: Any = getattr(st.session_state.get(key), name, None)
        return value if isinstance(value, kind) else kind()

    def on_change(name: str, act: Callable[[str], None]) -> Callable[[], None]:
        def call() -> None:
            if value := sent(name, str):
                act(value)

        return call

    def on_selected() -> None:
        keys = sent("selected", dict).get("keys")
        select({photo for photo in keys if isinstance(photo, str)} if isinstance(keys, list) else set())

    turn = sent("selected", dict).get("turn")
    _draw(
        key=key,
        data={
            "tiles": [asdict(tile) for tile in tiles],
            "chosen": chosen,
            "turn": turn if isinstance(turn, int) else 0,
        },
        on_chosen_change=on_change("chosen", choose),
        on_away_change=on_change("away", take_away),
        on_selected_change=on_selected,
    )
