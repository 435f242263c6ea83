"""What is on the screen, taken away as files: this answer, and the model that gives it with the code that trains it."""

from __future__ import annotations

import streamlit as st

from app.ui import resources
from app.ui.export import files
from app.ui.widgets.elements import problems_shown
from app.views import export
from app.views.testing import taught_question
from app.visitor.session import Session

# Whose page has the dialog open; the page whose answer comes first.
TAKE_AWAY, EXPLORE = "taken away", "Explore"


def button(session: Session, page: str) -> None:
    """Draw the button that opens the dialog, where there is something to take away."""
    if _anything(session):
        st.button("Take away", key="take away", icon=":material/download:", on_click=ask, args=(page,))


def _anything(session: Session) -> bool:
    return bool(session.photos.shelf.photos or session.photos.deck.cards or session.training.taught)


def ask(page: str = "") -> None:
    """Open the dialog on a page; without one, close it."""
    st.session_state[TAKE_AWAY] = page


def shown(session: Session, page: str) -> None:
    """Draw the dialog if it is open on this page, at its end: a dialog may not lie inside another part."""
    if st.session_state.get(TAKE_AWAY) != page or not _anything(session):
        return ask()

    @st.dialog("Take away", width="large", on_dismiss=ask)
    def look() -> None:
        with problems_shown():
            _offered(session, page)

    look()
    return None


def _offered(session: Session, page: str) -> None:
    backbone = resources.backbone(session.training.backbone_name)
    taught = page != EXPLORE and session.training.taught is not None
    asked = taught_question(session) if taught else export.exported_question(session)
    with st.spinner("Looking at the photo …", show_time=False):
        classifier = export.exported_classifier(session, backbone, asked)
        screen = export.screen(session, backbone) if page == EXPLORE else None
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
