"""What is on the screen, taken away as files: this answer, and the model that gives it with the code that trains it."""

from __future__ import annotations

import streamlit as st

from app.ui import resources
from app.ui.export import files
from app.ui.widgets.elements import problems_shown
from app.views import export
from app.visitor.session import Session

TAKE_AWAY = "taken away"


def button(session: Session) -> None:
    """Draw the button that opens the dialog, where there is something to take away."""
    if _is_anything(session):
        st.button("Take away", key="take away", icon=":material/download:", on_click=_open)


def _is_anything(session: Session) -> bool:
    return bool(session.photos.shelf.photos or session.photos.deck.cards or session.training.taught)


def _open(*, again: bool = True) -> None:
    st.session_state[TAKE_AWAY] = again


def shown(session: Session, *, answer: bool = False) -> None:
    """Draw the dialog if it is open, at the end of a page: a dialog may not lie inside another part.

    Args:
        answer: whether the answer on Explore comes first.
    """
    if not (st.session_state.get(TAKE_AWAY) and _is_anything(session)):
        return

    @st.dialog("Take away", width="large", on_dismiss=lambda: _open(again=False))
    def look() -> None:
        with problems_shown():
            _offered(session, answer=answer)

    look()


def _offered(session: Session, *, answer: bool) -> None:
    backbone = resources.backbone(session.training.backbone_name)
    asked = export.exported_question(session)
    with st.spinner("Looking at the photo …", show_time=False):
        classifier = export.exported_classifier(session, backbone, asked)
        screen = export.screen(session, backbone) if answer else None
    version = export.version(session, asked, classifier.model_.config.topk)
    if screen is not None:
        st.subheader("This answer", anchor=False)
        files.offer_pictures(session, screen)
        files.offer_photo_formats(session, screen)
    st.subheader("This model", anchor=False)
    files.model(session, classifier, asked, version)
    files.offer_model_formats(session, classifier, asked, version)
    if (running := session.page_jobs.running) is not None:
        st.caption(f"{running.words} is being made.")
    if session.photos.deck.cards:
        with st.expander("The training as code", icon=":material/code:", key="training as code"):
            files.code(session)
