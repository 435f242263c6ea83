"""The pile on the page: files in, a job that sorts them, the grid with its line, and what is done with the accepted."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from app import text
from app.photos.pile import MOST_IN_PILE, PhotoPile
from app.photos.shelf import Verdicts
from app.teaching.cards import photos_counted
from app.ui import projects
from app.ui.resources import backbones
from app.ui.teach.deck import ZIP_MEGABYTES
from app.ui.teach.live import ask_to_train
from app.ui.widgets.elements import job_outcome, show_notice, start_job, uploader
from app.views import sorting
from app.views.project import is_offered, is_there
from app.visitor.session import Session, Where

_HERE = Path(__file__).with_name("sort.js")
_draw = st.components.v2.component(
    "gallop_sort",
    js=_HERE.read_text(encoding="utf-8"),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
)
_JOB, _FILES, _KEY = "sort", "pile", "sort"
# The number of the last act of this page that was heard.
_HEARD = "acts heard"


def settle(session: Session) -> None:
    """Take over what a job has sorted, and sort what waits."""
    pile = session.photos.pile
    if refused := pile.settle():
        session.photos.verdicts[_FILES] = Verdicts(refused=refused)
    ready = session.training.taught is not None and session.page_jobs.running is None
    if pile.waiting and ready and not session.page_jobs.problem(_JOB):
        _sort(session)


def _sort(session: Session) -> None:
    start_job(session, sorting.sorting(session, backbones()), _JOB, "Sorting")


def offer_example(session: Session) -> None:
    """Draw the button that sorts the sample's photos, where its model answers or can be opened."""
    if is_offered(session) or is_there(session):
        st.button(
            "Try it with sample photos",
            key="sort sample",
            type="secondary" if session.training.taught is not None else "primary",
            icon=":material/redeem:",
            on_click=_take_sample,
            args=(session,),
            help="33 photos of candles, mugs, teapots, vases and other things, which the sample's model has not seen.",
        )
    show_notice(session, Where.CARDS)


def _take_sample(session: Session) -> None:
    if not session.photos.pile.photos and not session.photos.pile.waiting:
        projects.take_sample(session)
        sorting.add_sample(session)


def add(session: Session) -> None:
    """Draw the uploader, and what became of the last files."""
    pile = session.photos.pile
    uploader(
        f"Photos without labels, or a zip of them: up to {MOST_IN_PILE}",
        _FILES,
        lambda files: pile.take(files, session.photos.size),
        megabytes=ZIP_MEGABYTES,
        help="They stay in the app's memory, at most 512 pixels large, until you remove them or the program stops. "
        "They are not part of a saved project. For more photos there is the command gallop sort.",
    )
    job_outcome(session, _JOB)
    if pile.waiting and session.page_jobs.running is None:
        words = f"Sort the {photos_counted(len(pile.waiting))} that wait"
        if st.button(words, key="sort waiting"):
            _sort(session)


def shown(session: Session) -> None:
    """Draw the sorted photos, and what can be done with those accepted."""
    pile = session.photos.pile
    if pile.scores is None:
        return
    if pile.scores.version != sorting.version(session) and session.training.job is None:
        st.info("Sorted by an earlier model or limit.", icon=":material/info:")
        if st.button("Sort again", key="sort again", type="primary", icon=":material/refresh:"):
            _sort(session)
    _living(session)


@st.fragment
def _living(session: Session) -> None:
    """Draw what follows each act: only this part of the page is drawn again."""
    pile, said = session.photos.pile, _said()
    data = pile.shown() | {"heard": st.session_state.get(_HEARD, 0)}
    mine = said.get("holds") == pile.turn
    data |= {what: pile.pictures(said.get(what), what) if mine else [] for what in ("small", "large")}
    data |= {} if mine else {"content": pile.content()}
    _draw(key=_KEY, data=data, on_said_change=partial(_hear, pile))
    st.markdown(text.markdown(sorting.in_words(session)))
    with st.container(horizontal=True):
        settings: dict[str, Any] = {"icon": ":material/download:", "on_click": "ignore"}
        st.download_button(
            "Table (CSV)", partial(sorting.table, session), "sorted.csv", "text/csv", key="sort csv", **settings
        )
        st.download_button(
            "Class folders (zip)",
            partial(sorting.class_folders, session),
            "sorted.zip",
            "application/zip",
            key="sort zip",
            help="The accepted photos as they are kept here, at most 512 pixels large.",
            **settings,
        )
        teaches = "Teach with what was accepted"
        busy = session.training.job is not None or not pile.sorted_out()
        if st.button(teaches, key="sort teach", icon=":material/school:", disabled=busy):
            session.tell(Where.SORT, sorting.teach(session))
            ask_to_train(session)
            st.rerun()
        if st.button("Remove the pile", key="sort remove", type="tertiary", icon=":material/delete_sweep:"):
            session.photos.pile = PhotoPile()
            st.rerun()
    show_notice(session, Where.SORT, undo=True)


def _said() -> dict[str, Any]:
    value: Any = getattr(st.session_state.get(_KEY), "said", None)
    return value if isinstance(value, dict) else {}


def _hear(pile: PhotoPile) -> None:
    """Do what the browser asks for and was not heard yet; it may send anything."""
    acts, last = _said().get("acts"), st.session_state.get(_HEARD, 0)
    for act in acts if isinstance(acts, list) else []:
        turn = act.get("turn") if isinstance(act, dict) else None
        if type(turn) is int and turn > last:
            st.session_state[_HEARD] = last = turn
            if act.get("version") == pile.turn:
                pile.hear(act)
