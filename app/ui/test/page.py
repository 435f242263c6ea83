"""How good what was taught is: on photos it has not seen, and on photos of none of the classes."""

import streamlit as st

from app import text
from app.ui import projects, resources
from app.ui.explanation import changes
from app.ui.explanation.labels import point_out_twins
from app.ui.test import known, mistakes, unknown
from app.ui.widgets import backbones
from app.ui.widgets.elements import onward, privacy_line, problems_shown, slot
from app.views import testing

session = resources.session()

st.title("Test", anchor=False)

if backbones.is_choice() and (session.training.taught is not None or session.training.elsewhere):
    backbones.choose_backbone(session)
if session.training.taught is None:
    st.markdown("How good is it on new photos?")
    st.info(
        "**Start here:** teach some classes first, and add test photos for each.",
        icon=":material/school:",
    )
    onward("On to teaching", "ui/teach/page.py", ":material/school:")
    projects.offer_sample(session)
else:
    with slot():
        changes.what_changed(session)
    with problems_shown():
        with st.spinner("Looking at the test photos …", show_time=True):
            tested = testing.measure(session, resources.backbone(session.training.backbone_name))
        _, left_out = testing.labelled(session)
        notes, changed = slot(), session.training.cards_changed() if session.photos.deck.in_use else ""
        words = []
        if changed:
            names = text.markdown(text.joined(session.training.taught.names))
            words.append(f"Changed since training: {changed}. This page tests the trained classes: {names}.")
        if left_out:
            names = text.markdown(text.joined(left_out))
            words.append(
                f"Left out: the test photos of {names}, which the model was not trained on. Train again to test with "
                "them."
            )
        if words:
            notes.info(" ".join(words), icon=":material/info:")
        if tested is None:
            st.info(
                "**No test photos yet.** On *Teach*, choose *Test photos* on a class card and add some.",
                icon=":material/add_photo_alternate:",
            )
            onward("Add test photos", "ui/teach/page.py", ":material/school:")
        else:
            known.show_accuracy(session, tested)
            with slot():
                point_out_twins(session)
            mistakes.mistakes(session, tested)
            known.calibration(tested, session.training.taught.after.calibration_.temperature)
        unknown.unknown(session, tested)
        known.hints(session, tested)
        st.page_link("ui/evidence/page.py", label="On to the evidence", icon=":material/search_insights:")
privacy_line()
