"""What each class relies on over all its photos, what answers would be without it, and which photos fail."""

import streamlit as st

from app.ui import resources
from app.ui.evidence import shown
from app.ui.prompts import diversity
from app.ui.widgets.elements import privacy_line, problems_shown

session = resources.session()
session.page_jobs.settle()

st.title("Evidence", anchor=False)
st.markdown("What does each class rely on: the thing itself, or something beside it?")
_, pairs = diversity.choose_photos(session, "what each class relies on over all its photos, and which photos fail")
if pairs:
    with problems_shown():
        shown.evidence(session, pairs)
    st.page_link("ui/prompts/page.py", label="On to the prompts", icon=":material/join_inner:")
privacy_line()
