"""The photos: a strip to choose from, each with its answer if that is known, and the ways to add some."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.photos.shelf import Verdicts
from app.ui.resources import session
from app.ui.widgets.elements import camera, uploader
from app.ui.widgets.remembered import one_of_few, put, value_in_browser
from app.ui.widgets.strip import photo_strip
from app.views import exploring
from app.visitor.page_state import ExploreState, Question
from gallop import Photo

FOLDER, WEBCAM = "Folder", "Webcam"


def upload() -> None:
    with st.container(width=180):
        uploader("Upload photos", "photos", _take, verdicts_here=False, label_visibility="collapsed")


def choose_from(shown: Photo | None, question: Question | None) -> None:
    tiles, chosen = exploring.tiles(session(), shown, question), shown.sha256 if shown is not None else None
    photo_strip("photo strip", tiles, chosen, show_photo, take_away=take_away)


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
