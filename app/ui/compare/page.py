"""Every training is a run: a table of all runs, and any two of them side by side."""

import streamlit as st

from app import text
from app.runs.run import Run
from app.ui import projects, resources
from app.ui.compare import pair, runs
from app.ui.widgets.elements import onward, privacy_line, problems_shown, show_notice, slot
from app.views import compare
from app.visitor.session import Where

session = resources.session()
ledger = session.training.ledger
assert ledger is not None  # every session of this app has one

st.title("Compare", anchor=False)
st.markdown("Every training is saved as a run.")
show_notice(session, Where.RUNS)
saved_runs: list[Run] | None = None
with problems_shown():
    saved_runs = ledger.runs()
if saved_runs is None:
    st.stop()
warned = slot()
for sentence in (ledger.note, ledger.problem):
    if sentence:
        warned.warning(text.markdown(sentence), icon=":material/warning:")

if not saved_runs:
    st.info(
        "**Start here:** teach some classes. Each time you train, a run appears here.",
        icon=":material/compare:",
    )
    onward("Teach your own classes", "ui/teach/page.py", ":material/school:")
    projects.offer_sample(session)
else:
    st.header("Runs", anchor=False)
    runs.show_runs(saved_runs)
    st.header("Two side by side", anchor=False)
    a, b = runs.pins(session, saved_runs)
    pair.versus(a, b, saved_runs)
    photos = compare.photos(session)
    st.header("Photos that flipped", anchor=False)
    pair.flipped(session, a, b, photos)
    st.header("Save or remove", anchor=False)
    with problems_shown():
        runs.keeping(session, ledger, a)

whose, more = (
    (
        "Runs stay on this machine.",
        f"They are there for everybody who opens this app on it, in {ledger.folder}.",
    )
    if ledger.of_this_machine
    else (
        "Runs are stored for this session.",
        f"They are deleted {text.roughly(resources.visitors().keep)} after you close the page: export what you need.",
    )
)
st.caption(f":material/lock: {whose}", help=f"{text.markdown(more)} No photo is among them, only their fingerprints.")
privacy_line()
