"""What all visitors share: the frozen backbone and the job manager; and the way to a visitor's own session."""

from __future__ import annotations

from typing import Any

import streamlit as st

from data_file import data_folder, owner_of
from gallop.process import prepare
from jobs import JobManager
from ledger import Ledger
from run_store import Store
from session import Session
from visitors import Lease, Visitors

prepare()  # of all the app's modules this one is imported first; torch is not loaded yet

BACKBONE = "mini"
ADDRESS, STATE = "session", "token"
"""Where the token is kept: in the page's address, so that a reload finds the session again, and in the page's state."""


@st.cache_resource(max_entries=2, show_spinner="Loading the model, a few seconds the first time …")
def backbone(name: str = BACKBONE) -> Any:
    """A frozen backbone, loaded once for all visitors.

    Raises:
        BackboneError, UnsupportedTower: its weights are missing or do not fit.
    """
    from gallop.backbones import load_backbone

    return load_backbone(name)


@st.cache_resource(show_spinner=False)
def jobs() -> JobManager:
    """One worker for the one processor; a second visitor's training waits."""
    return JobManager()


@st.cache_resource(show_spinner=False)
def runs() -> Store:
    """Every visitor's runs, in one file; a visitor gets at them through ``session().ledger``."""
    return Store(data_folder())


@st.cache_resource(show_spinner=False)
def visitors() -> Visitors:
    return Visitors()


@st.cache_resource(scope="session", on_release=Lease.release, show_spinner=False)
def _lease(token: str) -> Lease:
    """Held as long as this connection lasts."""
    return visitors().lease(token)


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
        found.ledger = Ledger(runs(), owner_of(st.get_option("server.address"), token))
    st.session_state[STATE] = token
    if st.query_params.get(ADDRESS) != token:  # going to another page empties the address
        st.query_params[ADDRESS] = token
    _lease(token)
    return found
