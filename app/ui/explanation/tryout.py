"""Try what was taught on other photos; one that is answered wrongly becomes a photo to learn from with one click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app import text
from app.photos.shelf import Verdicts
from app.ui.explanation.answer import session_photo_url
from app.ui.explanation.labels import Labels
from app.ui.resources import backbone
from app.ui.widgets.explainer import explainer
from app.ui.widgets.notices import show_notice
from app.ui.widgets.remembered import one_of, put, stands_at
from app.ui.widgets.uploads import uploader
from app.visitor.explore import ExploreState
from app.visitor.notices import Notice, Where
from app.visitor.question import Question
from app.visitor.session import Session
from gallop import Photo

if TYPE_CHECKING:
    from gallop import Explanation

_UPLOADER = 160
"""Pixels: the photo shown is chosen beside it."""


def tryout(session: Session) -> None:
    """A photo in, its answer below it, and the way to say what it really is."""
    taught = session.training.taught
    if taught is None:
        st.caption("Here, once it is trained.")
        return
    with st.container(horizontal=True, vertical_alignment="top"):
        with st.container(width=_UPLOADER):
            uploader("Photos to try", "try", lambda files: _take(session, files), label_visibility="collapsed")
        photos = session.photos.own
        if not photos:
            return
        last, seen = next(reversed(photos)), {"label_visibility": "collapsed"}
        shown = one_of("Photo shown", photos, ExploreState.photo, last, lambda key: photos[key].name, **seen)
    photo = photos[shown]
    tower, question = backbone(session.training.tower), Question(taught.names, taught=True)
    found = session.answers.explain(tower, photo, question)
    explainer(found, None, photo=photo.sha256, picture=session_photo_url(session, found))
    correction(session, photo, found)


def _take(session: Session, files: list[Any]) -> Verdicts:
    verdicts = session.photos.shelf.add(files)
    if verdicts.taken:
        put(ExploreState.photo, verdicts.taken[-1].sha256)
    return verdicts


def correction(session: Session, photo: Photo, found: Explanation) -> None:
    """Say what a photo really is: with one click it is a photo to learn from, or one of none of the classes."""
    st.markdown(f"Wrong? Then **{text.markdown(text.shorten(photo.name, 60))}** is really …")
    labels = Labels(session, photo, Where.CORRECTION, "really", lambda name: _is_shown(session, photo, name))
    with st.container(key="correction"):
        labels.offer(found.class_names)
    show_notice(session, Where.CORRECTION)


def _is_shown(session: Session, photo: Photo, name: str) -> bool:
    """Whether no other was chosen, the answer to which is not drawn yet; else it is told that nothing was done."""
    if stands_at(ExploreState.photo) == photo.sha256:
        return True
    words = f"The photo had just changed, so {photo.name} was not put to {name}. Look at the answer, and say it again."
    session.notices[Where.CORRECTION] = Notice("info", words)
    return False
