"""A pile of photos sorted by what was taught: accept those above a line, with a promise that checks earn."""

import streamlit as st

from app.ui import resources
from app.ui.sort import pile_page
from app.ui.widgets import backbone_choice
from app.ui.widgets.elements import page_header, problems_shown, show_notice
from app.visitor.session import Where

session = resources.session()

page_header("Sort", "A pile of photos into your classes, with a promise of how many are wrong.")
if backbone_choice.is_choice() and (session.training.taught is not None or session.training.elsewhere):
    backbone_choice.choose_backbone(session)
with st.container():
    for where in (Where.CARDS, Where.SORT):
        show_notice(session, where, undo=True)
with problems_shown():
    pile_page.settle(session)
    if session.training.taught is None:
        st.info("**Start here:** teach some classes first, or see how it works.", icon=":material/school:")
        pile_page.offer_example(session)
        st.page_link("ui/teach/page.py", label="On to teaching", icon=":material/school:")
    else:
        pile_page.offer_sorting(session)
        if session.photos.pile.scored.keys:
            pile_page.shown(session)
            pile_page.offer_votes(session)
        pile_page.add(session)
        pile_page.offer_example(session)
