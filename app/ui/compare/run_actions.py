"""One run: rename it, take it away, open it again, delete it and bring it back."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import text
from app.runs.data_file import RunsProblem
from app.runs.model_zip import file_name, zipped
from app.runs.run import Run
from app.runs.visitor_runs import Ledger
from app.ui.explanation import adopted
from app.ui.resources import backbone
from app.ui.widgets.remembered import one_of
from app.views import compare
from app.visitor.session import Session
from gallop.errors import GallopError

TOLD, DELETED = "told of runs", "deleted run"


def keeping(session: Session, ledger: Ledger, runs: Sequence[Run]) -> None:
    by_id = {run.id: run for run in runs}
    run = by_id[one_of("Run", by_id, "kept run", max(by_id), lambda at: by_id[at].name)]
    with st.form(f"rename {run.id}", border=False):
        typed = st.text_input("New name", run.name, max_chars=80, key=f"name of {run.id}")
        if st.form_submit_button("Rename"):
            ledger.rename(run.id, typed)
            st.rerun()
    with st.container(horizontal=True):
        st.button("Open this run", on_click=_open, args=(session, run), icon=":material/folder_open:", key="open run")
        found = session.answers.once(("zip", run.id), lambda: zipped(ledger.files(run.id).as_folder()))
        st.download_button(
            "Export as zip",
            found,
            f"{file_name(run.name)}.zip",
            "application/zip",
            key="export run",
            icon=":material/download:",
            on_click="ignore",
        )
        st.button("Delete", on_click=_delete, args=(session, ledger, run), icon=":material/delete:", key="delete run")
    st.caption("Open: it becomes the taught classifier of this visit, as if it had just been trained.")


def told(session: Session, ledger: Ledger) -> None:
    """What was done last, and the way back from a deletion."""
    deleted = session.kept.get(DELETED)
    if deleted:
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.caption(f"Deleted {text.markdown(deleted)}. It can be brought back until the next one is deleted.")
        right.button("Undo", on_click=_undo, args=(session, ledger), icon=":material/undo:", key="undelete run")
    kind, sentence = session.kept.pop(TOLD, ("", ""))
    if sentence:
        (st.success if kind == "success" else st.error)(text.markdown(sentence))


def _open(session: Session, run: Run) -> None:
    try:
        taught = compare.taught_of_run(session, backbone(), run)
    except GallopError as error:
        session.kept[TOLD] = ("error", str(error))
        return
    session.training.adopt(taught)
    session.training.outcome = ("success", f"Opened {run.name} from the page Compare.")
    adopted.show(session, taught)
    session.kept[TOLD] = ("success", f"{run.name} is in use now: it answers on Explore, and Take away exports it.")


def _delete(session: Session, ledger: Ledger, run: Run) -> None:
    try:
        ledger.delete(run.id)
        session.kept[DELETED] = run.name
    except RunsProblem as error:
        session.kept[TOLD] = ("error", str(error))


def _undo(session: Session, ledger: Ledger) -> None:
    session.kept.pop(DELETED, None)
    try:
        ledger.undelete()
    except RunsProblem as error:
        session.kept[TOLD] = ("error", str(error))
