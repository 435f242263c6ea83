"""What all visitors share: the frozen backbone, the job manager, the runs; and the way to a visitor's own session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.jobs.manager import JobManager
from app.runs.data_file import data_folder, owner_of
from app.runs.store import RunStore
from app.runs.visitor_runs import Ledger
from app.visitor.registry import Visitors
from app.visitor.session import Session
from gallop.runtime.process import prepare

if TYPE_CHECKING:
    from gallop.backbones import Backbone

prepare()  # of all the app's modules this one is imported first; torch is not loaded yet

BACKBONE = "mini"
ADDRESS, STATE = "session", "token"
"""Where the token is kept: in the page's address, so that a reload finds the session again, and in the page's state."""


@st.cache_resource(max_entries=2, show_spinner="Loading the model, a few seconds the first time …")
def backbone(name: str = BACKBONE) -> Backbone:
    """A frozen backbone, loaded once for all visitors.

    Raises:
        BackboneError, UnsupportedTower: its weights are missing or do not fit.
    """
    from gallop.backbones import load_backbone

    return load_backbone(name)


def this_page() -> str:
    """Streamlit's name for the open page that is being drawn."""
    context = get_script_run_ctx()
    assert context is not None  # only a page asks
    return context.session_id


def connected(page: str) -> bool:
    """Whether a page is still open, as far as the server knows; without a server, in tests, it is."""
    return not runtime.exists() or runtime.get_instance().is_active_session(page)


@dataclass
class Shared:
    """What there is once in the process.

    Not in Streamlit's cache of resources: any visitor may have that emptied, by one message of its websocket.
    """

    jobs: JobManager = field(default_factory=JobManager)
    runs: RunStore = field(default_factory=lambda: RunStore(data_folder()))
    visitors: Visitors = field(default_factory=lambda: Visitors(connected))


shared = Shared()


def jobs() -> JobManager:
    """One worker for the one processor; a second visitor's training waits."""
    return shared.jobs


def runs() -> RunStore:
    """Every visitor's runs, in one file; a visitor gets at them through ``session().training.ledger``."""
    return shared.runs


def visitors() -> Visitors:
    return shared.visitors


def session() -> Session:
    """The visitor's own session, the same one after a reload.

    Raises:
        TooManyVisitors: there is no room for a new one.
    """
    token = st.session_state.get(STATE) or st.query_params.get(ADDRESS, "")
    found = visitors().find(token)
    if found is None:
        known, token = bool(token), visitors().new()
        found = visitors().find(token)
        assert found is not None
        found.lost = known
        found.training.ledger = Ledger(runs(), owner_of(st.get_option("server.address"), token))
    st.session_state[STATE] = token
    if st.query_params.get(ADDRESS) != token:  # going to another page empties the address
        st.query_params[ADDRESS] = token
    visitors().lease(token, this_page())
    return found
