"""The script that runs for each visitor, again at every click: navigation only. ``main`` serves it."""

from functools import partial
from pathlib import Path

import pandas  # noqa: F401  imported before any thread starts: plotly fails on a half-loaded one
import streamlit as st

from app import text
from app.jobs import PlainError
from app.ui import moved, projects, resources
from app.ui.explanation import current
from app.ui.streamlit_insides import draw_from_the_top, drawn_anew
from app.ui.teach import live
from app.ui.widgets import backbone_choice, remembered
from app.ui.widgets.elements import receive, watch_job

# A file of the app: an icon given by name would be requested from a Google server.
ICON = Path(__file__).with_name("icon.png")

draw_from_the_top()
st.set_page_config(page_title="GalLoP Explorer", page_icon=ICON, layout="wide")
page = st.navigation(
    [
        st.Page("ui/explore/page.py", title="Explore", icon=":material/travel_explore:", default=True),
        st.Page("ui/teach/page.py", title="Teach", icon=":material/school:", url_path="teach"),
        st.Page("ui/test/page.py", title="Test", icon=":material/fact_check:", url_path="test"),
        st.Page("ui/evidence/page.py", title="Evidence", icon=":material/search_insights:", url_path="evidence"),
        st.Page("ui/sort/page.py", title="Sort", icon=":material/grid_view:", url_path="sort"),
        st.Page("ui/method/page.py", title="Method", icon=":material/functions:", url_path="method"),
        *(st.Page(partial(moved.lead, name), title=name, url_path=name, visibility="hidden") for name in moved.PLACES),
    ],
    position="top",
)
try:
    session = resources.session()
    session.shown.clear()
    taught = session.training.settle()
except PlainError as error:  # there is no room for another visitor
    st.error(text.markdown(error), icon=":material/error:")
    st.stop()
if taught is not None:
    current.show(session, taught)
# No widget in it has a state: a click on a page's name is detected by that (streamlit_insides.py).
above = st.container()
if session.lost and not session.photos.deck.cards and not session.photos.shelf.photos:
    why = "has ended and its photos are gone, or it belongs to another browser"
    above.info(f"The session at this URL {why}. This is a new session.", icon=":material/info:")
backbone_choice.settle_download(session)
session.page_jobs.settle()
projects.settle_opening(session)
with drawn_anew(), remembered.run(), resources.page_drawn():
    receive()
    with above:
        if page.title != "Teach":
            session.training.begin(resources.jobs(), resources.backbones())
            drawn_there = page.title == "Explore" and session.training.is_retraining
            if session.training.job is not None and not drawn_there:
                live.badge(session)
        watch_job(session.page_jobs)
    page.run()
    session.training.encode_ahead(resources.jobs(), resources.backbones())  # photos that came in with this run
