"""How good what was taught is, on photos it has not seen and of none of the classes; and every training as a run."""

from functools import partial

import streamlit as st

from app import text
from app.ui import projects, resources
from app.ui.explanation import changes
from app.ui.explanation.labels import point_out_twins
from app.ui.export import dialog
from app.ui.test import known, mistakes, runs, unknown
from app.ui.widgets import backbone_choice
from app.ui.widgets.elements import folded, onward, page_header, problems_shown
from app.ui.widgets.remembered import tabs
from app.views import testing

session = resources.session()


def _notes() -> None:
    """Draw what the test leaves out."""
    _, left_out = testing.labelled(session)
    changed = session.training.cards_changed() if session.photos.deck.in_use else ""
    words = []
    if changed:
        names = text.markdown(text.joined(session.training.taught_model.names))
        words.append(f"Changed since training: {changed}. This page tests the trained classes: {names}.")
    if left_out:
        names = text.markdown(text.joined(left_out))
        words.append(
            f"Left out: the test photos of {names}, which the model was not trained on. Train again to test with them."
        )
    if words:
        st.info(" ".join(words), icon=":material/info:")


def _tested() -> None:
    with problems_shown():
        with st.spinner("Looking at the test photos …", show_time=True):
            tested = testing.measure(session, resources.backbone(session.training.backbone_name))
        _notes()
        if tested is not None:
            known.show_accuracy(session, tested)
            with st.container():
                point_out_twins(session)
        opened, there = tabs(("Mistakes", "None of these", "Labels", "Runs"), "test tab")
        with there, problems_shown():
            if opened == "None of these":
                unknown.unknown(session, tested)
            elif opened == "Labels":
                known.hints(session, tested)
            elif opened == "Runs":
                runs.all_runs(session)
            elif tested is None:
                words = "**No test photos yet.** Add some to the classes on *Teach*."
                st.info(words, icon=":material/add_photo_alternate:")
                onward("Add test photos", "ui/teach/page.py", ":material/school:")
            else:
                mistakes.mistakes(session, tested)
                temperature = session.training.taught_model.after.calibration_.temperature
                draw = partial(known.calibration, tested, temperature)
                folded("Calibration", ":material/tune:", "calibration", draw)


page_header("Test", "How good is it on new photos?", lambda: dialog.button(session, "Test"))
if backbone_choice.is_choice() and (session.training.taught is not None or session.training.elsewhere):
    backbone_choice.choose_backbone(session)
if session.training.taught is None:
    st.info("**Start here:** teach some classes first, and add test photos for each.", icon=":material/school:")
    onward("On to teaching", "ui/teach/page.py", ":material/school:")
    projects.offer_sample(session)
    runs.all_runs(session)
else:
    with st.container():
        changes.what_changed(session)
    _tested()
dialog.shown(session, "Test")
