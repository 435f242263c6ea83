"""The pile on the page: files in, a job that sorts them, the grid with its line, and what is done with the accepted."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from app import text
from app.photos.pile import MOST_IN_PILE, PhotoPile
from app.photos.shelf import Verdicts
from app.ui import projects
from app.ui.resources import backbones
from app.ui.teach.deck import ZIP_MEGABYTES
from app.ui.widgets.elements import component, job_outcome, reported, start_job, uploader
from app.views import sorting
from app.views.saved_project import is_there
from app.visitor.session import Session, Where
from gallop.sample import sample_photos
from gallop.wording import counted

_draw = component("gallop_sort", Path(__file__).with_name("sort.js"), "range.css")
_JOB, _FILES, _KEY = "sort", "pile", "sort"


def settle(session: Session) -> None:
    """Take over what a job has sorted, and sort what waits."""
    pile = session.photos.pile
    if session.page_jobs.running is None:
        if refused := pile.settle():
            session.photos.verdicts[_FILES] = Verdicts(refused=tuple(refused))
        if session.training.taught is not None and not session.page_jobs.problem(_JOB):
            *of, together = sorting.version(session)
            if pile.waiting or (pile.scored.keys and pile.now.version == (*of, not together)):  # votes cost nothing
                _sort(session)


def _sort(session: Session) -> None:
    start_job(session, sorting.sorting(session, backbones()), _JOB, "Sorting")


def offer_example(session: Session) -> None:
    """Draw the button that sorts the sample's photos, where its model answers or can be opened."""
    if not session.photos.pile.size and (session.takes_sample or is_there(session)):
        st.button(
            "Try it with sample photos",
            key="sort sample",
            type="secondary" if session.training.taught is not None else "primary",
            icon=":material/redeem:",
            on_click=_take_sample,
            args=(session,),
            help="33 photos of candles, mugs, teapots, vases and other things, which the sample's model has not seen.",
        )


def _take_sample(session: Session) -> None:
    if not session.photos.pile.size:  # a second click
        projects.take_sample(session)
        session.photos.pile.waiting += [
            (photo.path.name, photo.path.read_bytes()) for photo in sample_photos() if photo.part != "train"
        ]


def add(session: Session) -> None:
    """Draw the uploader, and what became of the last files."""
    with (
        st.expander("Add photos", icon=":material/add_photo_alternate:", key="add to pile")
        if session.photos.pile.scored.keys
        else st.container()
    ):
        uploader(
            f"Up to {MOST_IN_PILE} photos without labels; hundreds come faster in a zip",
            _FILES,
            lambda files: session.photos.pile.take(files, session.photos.size),
            megabytes=ZIP_MEGABYTES,
            help="They stay in the app's memory, at most 512 pixels large, until you remove them or the program stops. "
            "A saved project does not contain them. The command gallop sort takes more photos.",
        )
        job_outcome(session, _JOB)


def offer_sorting(session: Session) -> None:
    """Draw the button that sorts what waits, after a cancel, or all of the pile by a new model."""
    pile, wait = session.photos.pile, counted(len(session.photos.pile.waiting), "photo")
    busy = session.page_jobs.running is not None or session.training.job is not None
    if not busy and (pile.waiting or (pile.scored.keys and pile.now.version != sorting.version(session))):
        st.info(
            f"To be sorted: {wait}." if pile.waiting else "Sorted by an earlier model or threshold.",
            icon=":material/info:",
        )
        if st.button(
            "Sort again" if pile.scored.keys else "Sort", key="sort again", type="primary", icon=":material/refresh:"
        ):
            _sort(session)


def offer_votes(session: Session) -> None:
    """Draw the switch that lets similar photos vote on each other's answers, until checks have begun: they are about
    these answers.
    """
    pile = session.photos.pile
    stale = pile.waiting or pile.now.version != sorting.version(session)
    st.session_state["sort together"] = pile.together
    st.toggle(
        "Let similar photos vote",
        key="sort together",
        on_change=_vote,
        args=(pile,),
        disabled=bool(session.page_jobs.running is not None or stale or pile.scored.begun),
        help="Each photo's answer takes those of the three photos most like it into account, so answers depend on the "
        "pile. Use it for 16 photos or more that show few of the classes, or with one to four training photos a class; "
        "with 16 and photos of all classes it gains nothing. Photos that are none of these have no vote. Probabilities "
        "are higher then, and the line is set anew; it can be switched until the first check.",
    )


def _vote(pile: PhotoPile) -> None:
    pile.together, pile.by_hand = st.session_state["sort together"], False


@st.fragment
def shown(session: Session) -> None:
    """Draw the sorted photos, and what can be done with those accepted: only this is drawn again after each act."""
    pile = session.photos.pile
    said = partial(reported, _KEY, "said", dict)
    if pile.now.unlike:
        st.caption(f":material/warning: {pile.now.unlike} What the checks promise holds all the same.")
    _draw(key=_KEY, data=pile.shown(said()), on_said_change=lambda: pile.hear(said().get("acts")))
    st.markdown(text.markdown(sorting.in_words(session)))
    with st.container(horizontal=True):
        st.download_button(
            "Table (CSV)",
            partial(sorting.table, session),
            "sorted.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Class folders (zip)",
            partial(sorting.class_folders, session),
            "sorted.zip",
            "application/zip",
            on_click="ignore",
            icon=":material/download:",
            help="The photos are those kept here, at most 512 pixels large.",
        )
        st.button(
            "Teach with what was accepted",
            key="sort teach",
            icon=":material/school:",
            disabled=session.training.job is not None or not pile.scored.targets,
            on_click=_teach,
            args=(session,),
        )
        st.button(
            "Remove the pile",
            key="sort remove",
            type="tertiary",
            icon=":material/delete_sweep:",
            on_click=lambda: setattr(session.photos, "pile", PhotoPile()),
            disabled=session.page_jobs.running is not None,
        )
    if Where.SORT in session.notices or not session.photos.pile.scored.keys:
        st.rerun()  # what was clicked changes more of the page


def _teach(session: Session) -> None:
    before, words = session.photos.deck.changes, sorting.teach(session)
    session.training.asked = session.photos.deck.changes != before
    session.tell(Where.SORT, words, "success" if session.training.asked else "info")
