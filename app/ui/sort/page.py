"""A pile of photos sorted by what was taught: accept those above a line, with a promise that checks earn."""

import streamlit as st

from app.ui import resources
from app.ui.sort import pile
from app.ui.widgets import backbones
from app.ui.widgets.elements import onward, privacy_line, problems_shown

session = resources.session()

st.title("Sort", anchor=False)
st.markdown("Sort a pile of photos into your classes, and accept as many mistakes as you say: a few checks prove it.")
if backbones.is_choice() and (session.training.taught is not None or session.training.elsewhere):
    backbones.choose_backbone(session)
with problems_shown():
    pile.settle(session)
    if session.photos.pile.scores is None and session.page_jobs.running is None:
        if session.training.taught is None:
            st.info(
                "**Start here:** teach some classes first, or see how it works with photos that come with the app.",
                icon=":material/school:",
            )
        pile.offer_example(session)
        if session.training.taught is None:
            onward("On to teaching", "ui/teach/page.py", ":material/school:")
    if session.training.taught is not None:
        pile.add(session)
        pile.shown(session)
privacy_line()
