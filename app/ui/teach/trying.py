"""A new photo, answered by what was taught: the answer, a map and the classes. Why is what the page Explore shows."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import text
from app.library import Explanation
from app.photos import shelf
from app.ui.explanation.answer import correction, explained_at_current_k, session_photo_url
from app.ui.resources import backbone
from app.ui.teach.deck import UPLOAD
from app.ui.widgets.elements import uploader
from app.ui.widgets.explainer import one_map
from app.ui.widgets.remembered import one_of, put
from app.visitor.page_state import Question
from app.visitor.session import Session
from gallop import Photo

# Classes that have a bar.
_MOST_BARS = 5


def answer(session: Session) -> None:
    """Draw the choice of a photo, and what is answered to it; where nothing was taught, what will be here."""
    taught, photos = session.training.taught, session.photos.uploaded
    if taught is None:
        st.caption("After training: the answer to a new photo, and where the model looks.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="card try"):
        with st.container(width=UPLOAD):
            uploader("Photos to try", "try", lambda files: _take(session, files), label_visibility="collapsed")
        if not photos:
            return
        shown = photos[
            one_of(
                "Photo shown",
                photos,
                "explore photo",
                next(reversed(photos)),
                lambda key: photos[key].name,
                label_visibility="collapsed",
            )
        ]
    frozen, question = backbone(session.training.backbone_name), Question(taught.names, taught=True)
    explanation = explained_at_current_k(session, shown, question)
    _answer(explanation, "So far: " * (taught is not session.training.run_now))
    asked = session.answers.before(question)
    before = session.answers.explain(frozen, shown, asked) if asked.earlier else None
    look, bars = st.columns(2)
    with look:
        _map(session, explanation, shown)
    with bars:
        _bars(explanation, before)
    correction(session, shown, explanation)


def _answer(explanation: Explanation, before: str) -> None:
    chance = text.percent(explanation.probabilities[explanation.label]) if len(explanation.class_names) > 1 else ""
    st.subheader(
        f"{before}{text.markdown(explanation.answer)} {chance}", anchor=False, help=text.markdown(explanation.doubt)
    )


def _map(session: Session, explanation: Explanation, photo: Photo) -> None:
    if not explanation.topk:
        st.caption("Without local prompts there is no map.")
        return
    picture = session_photo_url(session, explanation)
    one_map(explanation, explanation.label, photo=photo.sha256, picture=picture, key="tried map")


def _bars(explanation: Explanation, before: Explanation | None) -> None:
    """Draw the likeliest classes, the likeliest first, each with its chance in the run before, and the way to what
    decided.
    """
    chances = explanation.probabilities
    for name in sorted(chances, key=chances.__getitem__, reverse=True)[:_MOST_BARS]:
        was = f", before {text.percent(before.probabilities[name])}" if before is not None else ""
        st.progress(chances[name], text=f"{text.markdown(text.shorten(name))} {text.percent(chances[name])}{was}")
    st.page_link("ui/explore/page.py", label="See what decided", icon=":material/image_search:")


def _take(session: Session, files: list[Any]) -> shelf.Verdicts:
    verdicts = session.photos.shelf.add(files)
    if verdicts.taken:
        put("explore photo", verdicts.taken[-1].sha256)
    return verdicts
