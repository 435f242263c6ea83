"""An errand while it runs: how far it is, and a way to stop it."""

from __future__ import annotations

import streamlit as st

from app import text
from app.jobs.manager import PlainError, State, Task
from app.ui.resources import jobs
from app.visitor import page_job
from app.visitor.session import Session

_POLL_SECONDS = 1.0


def send(session: Session, task: Task, name: str, words: str) -> None:
    """Start one, or say why not."""
    try:
        page_job.start_page_job(session, jobs(), task, name, words)
    except PlainError as error:
        st.error(text.markdown(error), icon=":material/error:")
        return
    st.rerun()


def watch(session: Session) -> None:
    """Draw the one that is under way; at its end the page is drawn anew with what it made."""

    @st.fragment(run_every=_POLL_SECONDS)
    def look() -> None:
        errand = session.errand
        if errand is None:
            return
        snapshot = errand.job.snapshot()
        if not snapshot.active:
            st.rerun()
        share, words = getattr(snapshot.progress, "share", 0.0), getattr(snapshot.progress, "sentence", "Starting")
        if snapshot.state is State.QUEUED:
            words = "Waiting for another training to end" if snapshot.ahead else "Starting"
        if errand.job.stopping:
            words = "Stopping after the step in hand"
        st.progress(share, text=f"{errand.words}. {words}")
        st.button("Cancel this", on_click=errand.job.cancel, disabled=errand.job.stopping, key="cancel errand")

    if session.errand is not None:
        look()


def job_outcome(session: Session, name: str) -> None:
    """Why the last one of this name left nothing."""
    snapshot = session.errands_done.get(name)
    sentence = page_job.ended(snapshot) if snapshot is not None else ""
    if sentence:
        st.warning(text.markdown(sentence), icon=":material/info:")
