"""A job that a page asked for, while it runs: how far it is, and a way to stop it."""

from __future__ import annotations

import streamlit as st

from app import text
from app.jobs.manager import PlainError, State, Task
from app.ui.resources import jobs
from app.ui.slot import slot
from app.visitor.page_job import PageJobs
from app.visitor.session import Session

_POLL_SECONDS = 1.0


def send(session: Session, task: Task, name: str, words: str) -> None:
    """Start one, or say why not."""
    try:
        session.page_jobs.start(jobs(), task, name, words)
    except PlainError as error:
        st.error(text.markdown(error), icon=":material/error:")
        return
    st.rerun()


def watch(page_jobs: PageJobs) -> None:
    """Draw the one that is under way; at its end the page is drawn anew with what it made."""

    @st.fragment(run_every=_POLL_SECONDS)
    def look() -> None:
        running = page_jobs.running
        if running is None:
            return
        snapshot = running.job.snapshot()
        if not snapshot.active:
            st.rerun()
        share, words = getattr(snapshot.progress, "share", 0.0), getattr(snapshot.progress, "sentence", "Starting")
        if snapshot.state is State.QUEUED:
            words = "Waiting for another one to end" if snapshot.ahead else "Starting"
        if running.job.stopping:
            words = "Stopping after the step in hand"
        st.progress(share, text=f"{running.words}. {words}")
        key = f"cancel {running.job.number}"
        st.button("Cancel this", on_click=running.job.cancel, disabled=running.job.stopping, key=key)

    if page_jobs.running is not None:
        look()


def job_outcome(session: Session, name: str) -> None:
    """Why the last one of this name left nothing."""
    sentence, there = session.page_jobs.problem(name), slot()
    if sentence:
        there.warning(text.markdown(sentence), icon=":material/info:")
