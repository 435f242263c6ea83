"""Entry of the app, navigation only: ``streamlit run app/main.py``."""

from pathlib import Path

import streamlit as st

from gallop.process import prepare

prepare()  # torch is not loaded yet: a page beside a training stays quick

# A picture of our own: for an icon given by name the browser would ask a server of Google's.
ICON = Path(__file__).with_name("icon.png")

st.set_page_config(page_title="GalLoP Explorer", page_icon=ICON, layout="wide")
st.navigation([st.Page("screens/explore.py", title="Explore and teach", default=True)], position="hidden").run()
