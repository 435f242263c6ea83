"""The visitor's classes: photos of each, a training in the background, and trying what was learned."""

import streamlit as st

from app.ui import projects, resources
from app.ui.export import dialog
from app.ui.teach import deck, live, settings, trying
from app.ui.widgets.elements import page_header, problems_shown, verdicts_of

session = resources.session()

page_header(
    "Teach",
    "Show it 4 to 16 photos of each class.",
    lambda: dialog.button(session, "Teach"),
    lambda: projects.menu(session),
)
projects.outcome(session)
with st.container():
    verdicts_of(deck.ZIP, deck.FOLDER)
deck.cards(session)
deck.dialogs(session)
train, try_it = st.columns([2, 3], gap="large")
with train:
    deck.heading("Train", deck.TRAIN_ANCHOR)
    button, shown = st.container(), st.container()  # drawn after the settings, above them
    settings.choose(session)
    session.training.begin(resources.jobs(), resources.backbones())
    with button:
        live.train_button(session)
    with shown:
        live.panel(session)
with try_it:
    deck.heading("Try")
    with problems_shown():
        trying.answer(session)
        deck.next_photo(session)
dialog.shown(session, "Teach")
