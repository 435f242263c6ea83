"""One run: rename it, take it away, open it again, delete it and bring it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.runs.data_file import RunsProblem
from app.runs.model_zip import file_name, zipped
from app.runs.run import Run
from app.runs.visitor_runs import Ledger
from app.ui.compare.run_table import name
from app.ui.explanation import adopted
from app.ui.resources import towers
from app.ui.slot import slot
from app.ui.widgets.notices import show_notice
from app.ui.widgets.remembered import one_of, stands_at
from app.views import compare
from app.views.opening import Opened
from app.visitor.notices import Notice, Where
from app.visitor.page_state import CompareState
from app.visitor.session import Session
from gallop.errors import GallopError

if TYPE_CHECKING:
    from gallop.backbones import Backbone


def keeping(session: Session, ledger: Ledger, runs: Sequence[Run]) -> None:
    by_id = {run.id: run for run in runs}
    run = by_id[one_of("Run", by_id, CompareState.run, max(by_id), lambda at: by_id[at].name)]
    with st.form(f"rename {run.id}", border=False):
        typed = st.text_input("New name", run.name, max_chars=80, key=f"name of {run.id}")
        if st.form_submit_button("Rename"):
            ledger.rename(run.id, typed)
            st.rerun()
    with st.container(horizontal=True):
        icon, args = ":material/folder_open:", (session, run)
        about = f"{name(run)} becomes the taught classifier of this visit, as if it had just been trained."
        if run.tower != session.training.tower:
            about += f" It answers with its own tower, {text.markdown(run.tower)}."
        st.button("Open this run", on_click=_open, args=args, icon=icon, key=f"open run {run.id}", help=about)
        found = session.answers.once(("zip", run.id), lambda: zipped(ledger.files(run.id).as_folder()))
        st.download_button(
            "Export as zip",
            found,
            f"{file_name(run.name)}.zip",
            "application/zip",
            key=f"export run {run.id}",
            icon=":material/download:",
            on_click="ignore",
        )
        icon = ":material/delete:"
        st.button("Delete", on_click=_delete, args=(*args, ledger), icon=icon, key=f"delete run {run.id}")


def told(session: Session, ledger: Ledger) -> None:
    """What was done last, and the way back from a deletion."""
    last = slot()
    if session.compare.deleted is not None:
        number, words = session.compare.deleted
        left, right = last.columns([4, 1], vertical_alignment="center")
        left.caption(f"Deleted {text.markdown(words)}. It can be brought back until the next one is deleted.")
        args, key = (session, ledger, number), f"undelete run {number}"
        right.button("Undo", on_click=_undo, args=args, icon=":material/undo:", key=key)
    show_notice(session, Where.RUNS)


def _chosen(session: Session, run: Run, done: str) -> bool:
    """Whether the list still stands at the run whose button was clicked; another may have been chosen just before."""
    if stands_at(CompareState.run) == run.id:
        return True
    words = f"Another run had just been chosen, so {run.name} was not {done}. Look at the one that is, and click again."
    session.notices[Where.RUNS] = Notice("info", words)
    return False


def _open(session: Session, run: Run) -> None:
    if not _chosen(session, run, "opened"):
        return

    def make(backbone: Backbone) -> Opened:
        return Opened(compare.taught_of_run(session, backbone, run), run.name, source="run")

    try:
        tower = compare.tower_of_run(towers(), run)
    except GallopError as error:
        session.notices[Where.RUNS] = Notice("error", str(error))
        return
    adopted.open_on(session, tower, make, run.name, Where.RUNS)


def _delete(session: Session, run: Run, ledger: Ledger) -> None:
    if not _chosen(session, run, "deleted"):
        return
    try:
        ledger.delete(run.id)
        session.compare = replace(session.compare, deleted=(run.id, run.name))
    except RunsProblem as error:
        session.notices[Where.RUNS] = Notice("error", str(error))


def _undo(session: Session, ledger: Ledger, number: int) -> None:
    if session.compare.deleted is None or session.compare.deleted[0] != number:
        return
    session.compare = replace(session.compare, deleted=None)
    try:
        ledger.undelete(number)
    except RunsProblem as error:
        session.notices[Where.RUNS] = Notice("error", str(error))
