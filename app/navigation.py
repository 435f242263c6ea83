"""What runs for each visitor, again with each of their clicks: navigation only. ``main`` serves it."""

from pathlib import Path

import pandas  # noqa: F401  whole before any thread begins: plotly looks into one that another thread has half loaded
import streamlit as st

import resources
import text
from parts import adopted, kept, link, live, uploads
from visitors import TooManyVisitors

# A picture of our own: for an icon given by name the browser would ask a server of Google's.
ICON = Path(__file__).with_name("icon.png")

st.set_page_config(page_title="GalLoP Explorer", page_icon=ICON, layout="wide")
page = st.navigation(
    [
        st.Page("screens/explore.py", title="Explore", icon=":material/travel_explore:", default=True),
        st.Page("screens/teach.py", title="Teach", icon=":material/school:"),
        st.Page("screens/test.py", title="Test", icon=":material/fact_check:"),
        st.Page("screens/prompts.py", title="Prompts", icon=":material/join_inner:"),
        st.Page("screens/compare.py", title="Compare", icon=":material/compare:"),
        st.Page("screens/take_away.py", title="Take away", icon=":material/download:"),
        st.Page("screens/method.py", title="Method", icon=":material/functions:"),
    ],
    position="top",
)
try:
    session = resources.session()
    taught = session.settle()
except TooManyVisitors as error:
    st.error(text.markdown(error), icon=":material/error:")
    st.stop()
if taught is not None:
    adopted.show(session, taught)
if session.lost and not session.deck.cards and not session.shelf.photos:
    st.info("The session of this address has ended, and its photos are gone. You start anew.", icon=":material/info:")
kept.run_begins()
link.follow()
uploads.receive()
if page.title != "Teach":
    live.badge(session)
page.run()
kept.run_ends()
