"""The state of the page Explore: chosen there, and set by what was taught or opened."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from app.photos.sample_answers import sample_answers
from app.photos.shelf import Verdicts
from app.teaching.training import Taught
from app.ui.resources import session
from app.ui.widgets.backbone_choice import choose
from app.ui.widgets.remembered import one_of, put
from app.views.exploring import look_at
from app.visitor.page_state import TAUGHT
from app.visitor.session import Session
from gallop import Photo


def current_photo(session: Session) -> Photo | None:
    """Draw the choice of a photo; return the one chosen, None where there are only the samples."""
    photos, shown = session.photos.all | session.photos.shelf.photos, session.photos.shown(session.explore.photo)
    if shown is None:
        return None
    return photos[one_of("Photo", photos, "explore photo", shown.sha256, session.photos.names.__getitem__)]


def photo_in_browser() -> str | None:
    """Return the content hash of the photo that the browser shows, in a callback: it may be ahead of the last run."""
    return cast("str | None", st.session_state.get("explore photo", session().explore.photo))


def show_photo(photo: str) -> None:
    """In a callback, or before anything is drawn: show this one, by content hash, with the names that go with it."""
    look_at(session(), photo)
    if session().explore.photo is not None:
        put("explore photo", session().explore.photo)


def take(files: list[Any]) -> Verdicts:
    """Add files to the visitor's photos, and show the last one."""
    verdicts = session().photos.shelf.add(files)
    if verdicts.taken:
        show_photo(verdicts.taken[-1].sha256)
    return verdicts


def show(session: Session, taught: Taught) -> None:
    """Use its backbone and classes on Explore, at the scales of Teach, before any widget is drawn.

    A sample is not asked about them: another photo is shown, and where there is none they wait for one.
    """
    choose(session, taught.backbone_name)
    put("explore names", "\n".join(taught.names))
    session.explore = session.explore.with_scales(session.training.scales())
    put("explore prompts", TAUGHT)
    shown, samples = session.photos.shown(session.explore.photo), sample_answers()
    if shown is not None and shown.sha256 in samples:
        shown = session.photos.shown(None)
    chosen = shown.sha256 if shown is not None else next(iter(samples), None)
    if chosen is not None:
        put("explore photo", chosen)
        session.explore = session.explore.looking_at(chosen)
