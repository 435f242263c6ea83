"""Small photos side by side, each with its answer: a click chooses one, and some can be removed or selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from app.ui.widgets.elements import component, reported
from app.views.exploring import PhotoTile

_draw = component("gallop_photo_strip", Path(__file__).with_name("strip.js"))


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
    _draw(
        key=key,
        data={
            "tiles": [asdict(tile) for tile in tiles],
            "chosen": chosen,
            "turn": max([0, *(turn for turn in reported(key, "selected", list) if isinstance(turn, int))]),
        },
        on_chosen_change=lambda: choose(reported(key, "chosen", str)),
        on_away_change=lambda: take_away(reported(key, "away", str)),
        on_selected_change=lambda: select(
            {photo for photo in reported(key, "selected", list) if isinstance(photo, str)}
        ),
    )
