"""A new photo, answered by what was taught: the answer, a map and the classes. Why is what the page Explore shows."""

from __future__ import annotations

import streamlit as st

from app import text
from app.library import Explanation
from app.ui.explanation.answer import correction, explained_at_current_k
from app.ui.explanation.current import take
from app.ui.resources import backbone
from app.ui.teach.deck import UPLOAD
from app.ui.widgets.elements import uploader
from app.ui.widgets.explainer import one_map
from app.ui.widgets.remembered import one_of
from app.visitor.page_state import Question
from app.visitor.session import Session

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
            uploader("Photos to try", "try", take, label_visibility="collapsed")
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
    so_far = "So far: " * (taught is not session.training.run_now)
    chance = text.percent(explanation.probabilities[explanation.label]) if len(taught.names) > 1 else ""
    words = f"{so_far}{text.markdown(explanation.answer)} {chance}"
    st.subheader(words, anchor=False, help=text.markdown(explanation.doubt))
    asked = session.answers.before(question)
    before = session.answers.explain(frozen, shown, asked) if asked.earlier else None
    look, bars = st.columns(2)
    with look:
        if explanation.topk:
            one_map(explanation, explanation.label, photo=shown.sha256, key="tried map")
        else:
            st.caption("Without local prompts there is no map.")
    with bars:
        _bars(explanation, before)
    correction(session, shown, explanation)


def _bars(explanation: Explanation, before: Explanation | None) -> None:
    """Draw the likeliest classes, the likeliest first, each with its chance in the run before, and the way to what
    decided.
    """
    chances = explanation.probabilities
    for name in sorted(chances, key=chances.__getitem__, reverse=True)[:_MOST_BARS]:
        was = f", before {text.percent(before.probabilities[name])}" if before is not None else ""
        st.progress(chances[name], text=f"{text.markdown(text.shorten(name))} {text.percent(chances[name])}{was}")
    st.page_link("ui/explore/page.py", label="See what decided", icon=":material/image_search:")
