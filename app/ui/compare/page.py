"""Every training is a run: a table of all runs, and any two of them side by side."""

import streamlit as st

from app import text
from app.ui import projects, resources
from app.ui.compare import pair, runs
from app.ui.widgets.elements import job_outcome, onward, privacy_line, problems_shown, slot
from app.views import compare

session = resources.session()
ledger = session.training.ledger
assert ledger is not None  # every session of this app has one

st.title("Compare", anchor=False)
st.markdown("Every training is saved as a run.")
job_outcome(session, "seeds")
runs.show_notices(session, ledger)
there = False
with problems_shown():
    saved_runs = ledger.runs()
    baseline = compare.untaught(session, lambda: resources.backbone(session.training.backbone_name), saved_runs)
    there = True
if not there:
    st.stop()
warned = slot()
for sentence in (ledger.store.note, ledger.store.only_read, ledger.note, ledger.problem):
    if sentence:
        warned.warning(text.markdown(sentence), icon=":material/warning:")

if baseline is None:
    st.info(
        "**Start here:** teach some classes. Each time you train, a run appears here.",
        icon=":material/compare:",
    )
    onward("Teach your own classes", "ui/teach/page.py", ":material/school:")
    projects.offer_sample(session)
else:
    st.header("Runs", anchor=False)
    rows = [baseline, *saved_runs]
    missing = compare.coop_run(baseline, saved_runs) is None
    runs.show_runs(rows, coop_missing=missing)
    with slot():
        if missing:
            pair.compare_with_coop(session)
        if not saved_runs:
            onward("Train on Teach", "ui/teach/page.py", ":material/school:")
if saved_runs and baseline is not None:
    st.header("Two side by side", anchor=False)
    pinned = runs.pins(rows)
    pair.versus(*pinned)
    with slot():
        pair.train_seeds(session, pinned, saved_runs)
    photos = compare.photos(session)
    pair.what_dropout_changes(session, pinned, saved_runs, photos)
    st.header("Photos that flipped", anchor=False)
    pair.flipped(*pinned, photos)
    st.subheader("Maps side by side", anchor=False)
    with problems_shown(), st.spinner("Looking at the photo …", show_time=False):
        pair.side_by_side(session, pinned, photos)
    st.header("Save or remove", anchor=False)
    with problems_shown():
        runs.keeping(session, ledger, saved_runs)

whose, more = (
    (
        "Runs stay on this machine.",
        f"They are there for everybody who opens this app on it, in {ledger.store.path}.",
    )
    if ledger.of_this_machine
    else (
        "Runs are stored for this session.",
        f"They are deleted {text.roughly(resources.visitors().keep)} after you close the page: export what you need.",
    )
)
st.caption(f":material/lock: {whose}", help=f"{text.markdown(more)} No photo is among them, only their fingerprints.")
privacy_line()
