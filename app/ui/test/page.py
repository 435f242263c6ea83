"""How good what was taught is: on photos it has not seen, and on photos of none of the classes."""

import streamlit as st

from app import text
from app.ui import resources
from app.ui.explanation.twins import point_out_twins
from app.ui.sample import offer
from app.ui.slot import slot
from app.ui.test import accuracy, confusion, hints, scales, unknown
from app.ui.widgets import privacy, towers
from app.ui.widgets.onward import onward
from app.ui.widgets.problems import ProblemsTold
from app.views import testing

session = resources.session()

st.title("Test", anchor=False)

if towers.is_choice() and (session.training.taught is not None or session.training.elsewhere):
    towers.choose_tower(session)
if session.training.taught is None:
    st.markdown("How good is it on new photos?")
    st.info(
        "**Start here:** teach it classes first, and keep test photos of each.",
        icon=":material/school:",
    )
    onward("On to teaching", "ui/teach/page.py", ":material/school:")
    offer.offer_sample(session)
else:
    with ProblemsTold():
        with st.spinner("Looking at the test photos …", show_time=True):
            tested = testing.measure(session, resources.backbone(session.training.tower))
        _, left_out = testing.labelled(session)
        told, changed = slot(), session.training.cards_changed() if session.photos.deck.in_use else ""
        words = []
        if changed:
            names = text.markdown(text.joined(session.training.taught.names))
            words.append(f"Changed since the training: {changed}. This tests what it was taught: {names}.")
        if left_out:
            names = text.markdown(text.joined(left_out))
            words.append(
                f"Left out: the test photos of {names}, which it was not taught. Teach again to test with them."
            )
        if words:
            told.info(" ".join(words), icon=":material/info:")
        if tested is None:
            st.info(
                "**No test photos yet.** Choose *Test photos* on a card of *Teach*.",
                icon=":material/add_photo_alternate:",
            )
            onward("Add test photos", "ui/teach/page.py", ":material/school:")
        else:
            accuracy.show_accuracy(session, tested)
            with slot():
                point_out_twins(session)
            scales.other_scales(session, tested)
            confusion.confusion(session, tested)
            accuracy.calibration(tested, session.training.taught.after.calibration_.temperature)
        unknown.unknown(session, tested)
        hints.hints(session, tested)
        st.page_link("ui/prompts/page.py", label="On to the prompts", icon=":material/join_inner:")
privacy.line()
