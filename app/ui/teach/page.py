"""Classes of one's own: photos of each, a training beside the page, and trying what was learned."""

import streamlit as st

from app.ui import projects, resources
from app.ui.explanation import answer
from app.ui.teach import deck, live, settings
from app.ui.teach.deck import heading, three_columns
from app.ui.widgets import elements
from app.ui.widgets.elements import problems_told

session = resources.session()

projects.title_with_project(session, "Teach", "Show it 4 to 16 photos of each class.")
deck.verdicts()
collect, train, try_it = three_columns()
with collect:
    deck.cards(session)
deck.dialogs(session)
with train:
    heading("Train", deck.TRAIN_ANCHOR)
    button, shown = st.container(), st.container()  # drawn after the settings, which stand below them
    settings.fold(session)
    live.begin(session)
    with button:
        live.train_button(session)
    with shown:
        live.panel(session)
with try_it:
    heading("Try")
    with problems_told():
        answer.tryout(session)
        deck.next_photo(session)
elements.line()
