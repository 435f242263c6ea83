"""The photos: a strip to choose from, each with its answer if that is known, and the ways to add some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from app.photos.shelf import Verdicts
from app.ui.resources import session
from app.ui.widgets.elements import camera, uploader
from app.ui.widgets.remembered import one_of_few, put, value_in_browser
from app.views import exploring
from app.visitor.page_state import ExploreState, Question
from gallop import Photo

_KEY = "photo strip"
_HERE = Path(__file__).with_name("strip.js")
_draw = st.components.v2.component(
    "gallop_photo_strip",
    js=_HERE.read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
)


def photo_strip(
    tiles: Sequence[exploring.PhotoTile],
    chosen: str | None,
    choose: Callable[[str], None],
    take_away: Callable[[str], None],
) -> None:
    """Draw the strip.

    Args:
        chosen: content hash of the photo that is shown.
        choose, take_away: take a content hash, which may be of no photo: a client may send anything.
    """

    def on_change(name: str, act: Callable[[str], None]) -> Callable[[], None]:
        def call() -> None:
            value: Any = getattr(st.session_state.get(_KEY), name, None)
            if isinstance(value, str):
                act(value)

        return call

    _draw(
        key=_KEY,
        data={"tiles": [asdict(tile) for tile in tiles], "chosen": chosen},
        on_chosen_change=on_change("chosen", choose),
        on_away_change=on_change("away", take_away),
    )


FOLDER, WEBCAM = "Folder", "Webcam"


def upload() -> None:
    with st.container(width=180):
        uploader("Upload photos", "photos", _take, verdicts_here=False, label_visibility="collapsed")


def choose_from(shown: Photo | None, question: Question | None) -> None:
    photo_strip(
        exploring.tiles(session(), shown, question), shown.sha256 if shown is not None else None, show_photo, take_away
    )


def more_ways() -> None:
    with st.popover("Webcam, folder", width="stretch"):
        if one_of_few("Photos from", [FOLDER, WEBCAM], ExploreState.source, FOLDER) == WEBCAM:
            camera("Take a photo", "webcam", _take, verdicts_here=False)
        else:
            uploader(
                "Upload a folder of photos", "folder", _take, verdicts_here=False, accept_multiple_files="directory"
            )


def show_photo(photo: str) -> None:
    """In a callback, or before anything is drawn: show this one, by content hash, with the names that go with it."""
    exploring.look_at(session(), photo)
    if session().explore.photo is not None:
        put(ExploreState.photo, session().explore.photo)


def take_away(photo: str) -> None:
    """Remove the photo with this content hash, in a callback; one that is not there does nothing."""
    session().photos.shelf.photos.pop(photo, None)
    if value_in_browser(ExploreState.photo) == photo and (left := session().photos.shelf.photos):
        show_photo(next(reversed(left)))


def _take(files: list[Any]) -> Verdicts:
    verdicts = session().photos.shelf.add(files)
    if verdicts.taken:
        show_photo(verdicts.taken[-1].sha256)
    return verdicts
