"""How good what was taught is: on photos it has not seen, and on photos of none of the classes."""

import streamlit as st

from app import text
from app.ui import resources
from app.ui.test import accuracy, confusion, hints, unknown
from app.ui.widgets import privacy, towers
from app.ui.widgets.onward import onward
from app.ui.widgets.problems import ProblemsTold
from app.views import testing

session = resources.session()

st.title("Test", anchor=False)
st.markdown("How good is it on photos it has not seen, what does it confuse, and does it notice what is none of these?")

if session.training.taught is not None or session.training.elsewhere:
    towers.choose_tower(session)
if session.training.taught is None:
    st.info(
        "**Start here:** teach it classes first, and keep some photos of each to test with: on a card choose *Test "
        "photos*, or put them into a folder called `test`.",
        icon=":material/school:",
    )
    st.markdown(
        "What you will see then:\n"
        "- how often it is right, with the interval that so few photos leave open, in all and for each class;\n"
        "- what it takes for what: choose a cell, and its photos open with the maps of what decided;\n"
        "- whether 80 % sure is right 80 % of the time;\n"
        "- how well it notices photos of none of the classes, and the limit for that, which you may move;\n"
        "- photos that may be on the wrong card."
    )
    onward("On to teaching", "ui/teach/page.py", ":material/school:")
else:
    with ProblemsTold():
        with st.spinner("Looking at the test photos …", show_time=True):
            tested = testing.measure(session, resources.backbone(session.training.tower))
        _, left_out = testing.labelled(session)
        if left_out:
            st.info(
                f"Left out: the test photos of {text.markdown(text.joined(left_out))}, which it was not taught. Teach "
                "again to test with them.",
                icon=":material/info:",
            )
        if tested is None:
            st.info(
                "**No test photos yet.** Photos it learned from test nothing. Put a few others on the cards: choose "
                "*Test photos* on a card of the page *Teach*, or upload a folder or zip with a folder called `test`.",
                icon=":material/add_photo_alternate:",
            )
            onward("Add test photos", "ui/teach/page.py", ":material/school:")
        else:
            accuracy.show_accuracy(tested)
            confusion.confusion(session, tested)
            accuracy.calibration(tested, session.training.taught.after.calibration_.temperature)
        unknown.unknown(session, tested)
        hints.hints(session, tested)
        st.page_link("ui/prompts/page.py", label="On to what each prompt is worth", icon=":material/join_inner:")
privacy.line()
