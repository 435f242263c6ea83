"""What all pages are made of: slots, pictures with words, notices, problems, jobs, and the line about privacy."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from app import charts, text
from app.jobs import PlainError, State, Task
from app.towers import TowerLoading, TowerProblem
from app.ui.resources import STATE, jobs, towers, visitors
from app.visitor.registry import GRACE_SECONDS
from app.visitor.session import PageJobs, Session, Where
from gallop.errors import sentence_of


def slot() -> DeltaGenerator:
    """Always there, and seen only where something is in it; an empty slot is something, so none lies in another.

    A browser knows parts of a page that have no key, such as columns, by their number. When something came or went
    above them, they were other parts to it and were drawn from nothing: a menu closed that was just opened, and a
    button was taken away under the finger.
    """
    return st.container()


# Streamlit has text alternatives since 1.65; the newest for Python 3.10 is older and draws the same without them.
_KNOWS_ALT = all("alt" in inspect.signature(draw).parameters for draw in (st.image, st.plotly_chart))


def image(picture: bytes | NDArray[np.uint8], *, alt: str, **settings: Any) -> None:
    st.image(picture, **settings, **_alternative(alt))


def chart(figure: Any, *, key: str, alt: str) -> None:
    st.plotly_chart(figure, key=key, config=charts.CONFIG, **_alternative(alt))


def _alternative(alt: str) -> dict[str, Any]:
    return {"alt": alt} if _KNOWS_ALT else {}


def show_notice(session: Session, where: Where, *, undo: bool = False) -> None:
    """Draw what waits to be told there; it is told by this run alone.

    Args:
        undo: whether what is told there has changed the cards, and the way back is not on the page already.
    """
    notice, there = session.notices.pop(where, None), slot()
    if notice is not None:
        draw = {"success": there.success, "info": there.info, "error": there.error}[notice.kind]
        draw(text.markdown(notice.words), icon=":material/error:" if notice.kind == "error" else None)
        if undo and notice.kind == "success":
            st.button(
                "Undo",
                key=f"undo {where.name}",
                type="tertiary",
                icon=":material/undo:",
                on_click=session.photos.undo,
                args=(session.photos.deck.changes,),
            )


def onward(label: str, page: str, icon: str) -> None:
    """Draw it; ``page`` is the path of its script below ``app``."""
    if st.button(label, key=f"on to {page}", type="primary", icon=icon):
        st.switch_page(page)


_PROBLEMS_POLL_SECONDS = 0.5
# Seconds after which the bar of a tower that is loaded stands in the middle: nothing tells how long it will take.
_HALF_WAY = 5.0


@contextmanager
def problems_told() -> Iterator[None]:
    """Tell what goes wrong inside, on this place of the page; a tower that is loaded is watched till it is there."""
    try:
        yield
    except TowerLoading as error:
        _watched(error.tower)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        st.error(text.markdown(sentence), icon=":material/error:")
        if isinstance(error, TowerProblem) and error.tower:
            again, name = towers().try_again, error.tower
            st.button("Try again", key=f"try again {name}", on_click=again, args=(name,), icon=":material/refresh:")


def _watched(name: str) -> None:
    @st.fragment(run_every=_PROBLEMS_POLL_SECONDS)
    def look() -> None:
        if not towers().busy(name):
            st.rerun()
        standing = towers().standing(name)
        seconds = standing.seconds or 0.0
        st.progress(seconds / (seconds + _HALF_WAY), text=text.markdown(standing.sentence))

    look()


def line() -> None:
    """Draw the sentence, and the button behind a second look: it takes everything of this visit."""
    keep = visitors().keep
    until = f" Closed now, this address finds them until {_clock(keep)}." if keep > GRACE_SECONDS else ""
    with st.container(horizontal=True, vertical_alignment="center", key="privacy"):  # what is above it differs by page
        st.caption(
            f":material/lock: Photos stay in memory, sent to no other machine.{until}",
            width="content",
            help="They stay with the program behind this page, at most as long as it runs and until "
            f"{text.roughly(keep)} after you close it, and are written to no disk. In another browser this address "
            "finds none of them: a cookie, a random number, tells them apart. What a training learns is kept, "
            "with its class names: see the page *Compare*.",
        )
        with st.popover("Remove everything", key="privacy menu"):
            st.markdown("Photos, classes and what they taught.", help="Runs on this machine stay: see *Compare*.")
            st.button("Remove now", key="remove everything", on_click=_remove)


def _clock(seconds: float) -> str:
    return text.time_of_day(time.time() + seconds, st.context.timezone)


def _remove() -> None:
    """What this visitor has is gone before anything is drawn again; the page begins anew."""
    visitors().remove(st.session_state[STATE])
    st.session_state.clear()


_JOB_PROGRESS_POLL_SECONDS = 1.0


def send(session: Session, task: Task, name: str, words: str) -> None:
    try:
        session.page_jobs.start(jobs(), task, name, words)
    except PlainError as error:
        st.error(text.markdown(error), icon=":material/error:")
        return
    st.rerun()


def watch(page_jobs: PageJobs) -> None:
    """Draw the one that is under way; at its end the page is drawn anew with what it made."""

    @st.fragment(run_every=_JOB_PROGRESS_POLL_SECONDS)
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
        st.button(
            "Cancel this",
            on_click=running.job.cancel,
            disabled=running.job.stopping,
            key=f"cancel {running.job.number}",
        )

    if page_jobs.running is not None:
        look()


def job_outcome(session: Session, name: str) -> None:
    sentence, there = session.page_jobs.problem(name), slot()
    if sentence:
        there.warning(text.markdown(sentence), icon=":material/info:")
