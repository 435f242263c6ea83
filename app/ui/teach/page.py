"""The visitor's classes: photos of each, a training in the background, and trying what was learned."""

import streamlit as st

from app.ui import projects, resources
from app.ui.explanation import answer
from app.ui.export import dialog
from app.ui.teach import deck, live, settings
from app.ui.widgets.elements import page_header, problems_shown, slot, verdicts_of

session = resources.session()

page_header(
    "Teach",
    "Show it 4 to 16 photos of each class.",
    lambda: dialog.button(session, "Teach"),
    lambda: projects.menu(session),
)
projects.outcome(session)
with slot():  # across the page: a list of classes does not fit in a column
    verdicts_of(deck.ZIP, deck.FOLDER)
collect, train, try_it = deck.three_columns()
with collect:
    deck.cards(session)
deck.dialogs(session)
with train:
    deck.heading("Train", deck.TRAIN_ANCHOR)
    heart, button, shown = st.container(), st.container(), st.container()  # drawn after the settings, below them
    settings.choose(session, heart)
    live.begin(session)
    with button:
        live.train_button(session)
    with shown:
        live.panel(session)
with try_it:
    deck.heading("Try")
    with problems_shown():
        answer.tryout(session)
        deck.next_photo(session)
dialog.shown(session, "Teach")
