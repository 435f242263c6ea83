"""What all visitors share: the backbones, the job managers, the runs; and the way to a visitor's session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from app import options
from app.jobs import JobManager
from app.library import Backbone
from app.middleware import BROWSER
from app.runs.store import Ledger, data_folder, owner_of, runs_folder
from app.shared_backbones import DEFAULT_BACKBONE, STALLED, BackboneLoading, BackboneRoom, Lease
from app.ui.streamlit_insides import close_page, connected, drop_file, this_page
from app.visitor.session import Session, Visitors, session_seconds
from gallop.runtime.process import prepare

prepare()  # of all the app's modules this one is imported first; torch is not loaded yet

# Where the token is stored: in the page's address, so that a reload gets the same session, and in the page's state.
ADDRESS, STATE = "session", "token"
# Seconds that a page waits for its backbone before it shows the progress of loading.
PAGE_PATIENCE = 1.5


def forget_page(page: str) -> None:
    """Let the server drop what it stores for a page that was closed."""
    if shared.loop is not None:
        shared.loop.call_soon_threadsafe(close_page, page)


def let_go_of_files(files: Sequence[str]) -> None:
    """Let the server drop files of the page that is being drawn, by their numbers: they were read."""
    for file in files:
        drop_file(this_page(), file)


def _visitors() -> Visitors:
    return Visitors(connected, keep=session_seconds(st.get_option("server.address")), closed=forget_page)


@dataclass
class Shared:
    """What there is once in the process.

    Not in Streamlit's cache of resources: any visitor may have that emptied, by one message of its websocket.
    """

    backbones: BackboneRoom = field(default_factory=lambda: BackboneRoom(options.started))
    jobs: JobManager = field(default_factory=JobManager)
    downloads: JobManager = field(default_factory=lambda: JobManager(waiting=2, stuck=STALLED))  # one at a time
    runs: Path = field(default_factory=lambda: runs_folder(data_folder()))
    visitors: Visitors = field(default_factory=_visitors)
    # That of the server; None in tests without one.
    loop: asyncio.AbstractEventLoop | None = None


shared = Shared()


def jobs() -> JobManager:
    """Return the job manager, with one worker for the one processor; a second visitor's training waits."""
    return shared.jobs


def backbones() -> BackboneRoom:
    return shared.backbones


# Of the backbones that a page uses, until it is drawn: each thread draws another page.
_leases: ContextVar[list[Lease] | None] = ContextVar("leases", default=None)


@contextmanager
def page_drawn() -> Iterator[None]:
    """Hold every backbone that a page asks for until the page is drawn."""
    held = list[Lease]()
    before = _leases.set(held)
    try:
        yield
    finally:
        _leases.reset(before)
        for lease in held:
            lease.give_back()


def backbone(name: str = DEFAULT_BACKBONE) -> Backbone:
    """Return a backbone for the page that is being drawn; it is loaded in the background.

    Raises:
        BackboneLoading: it is not loaded yet.
        BackboneProblem: it cannot be loaded.
    """
    lease = _leased(name)
    if (held := _leases.get()) is not None:
        held.append(lease)
    return lease.backbone


@contextmanager
def holding(name: str) -> Iterator[Backbone]:
    """Lend a backbone to a fragment or a callback, which no page draws. Raises as ``backbone``."""
    lease = _leased(name)
    try:
        yield lease.backbone
    finally:
        lease.give_back()


def _leased(name: str) -> Lease:
    lease = backbones().lease(name, PAGE_PATIENCE)
    if lease is None:
        raise BackboneLoading(f"The backbone {name} is being loaded. Try again in a moment.", name)
    return lease


def visitors() -> Visitors:
    return shared.visitors


def session() -> Session:
    """Return the visitor's session, the same after a reload; an address from another browser gives no access to it.

    Raises:
        PlainError: there is no room for a new one.
    """
    token = st.session_state.get(STATE) or st.query_params.get(ADDRESS, "")
    browser = st.context.cookies.to_dict().get(BROWSER, "")
    current = visitors().find(token, browser)
    if current is None:
        if not connected(this_page()):  # it was closed before it was drawn, so it gets no session
            st.stop()
        known = bool(token)
        while current is None:  # another new visitor may have taken the place by now
            token = visitors().new(browser)
            current = visitors().find(token, browser)
        current.lost = known
        current.training.ledger = Ledger(shared.runs, owner_of(st.get_option("server.address"), token))
        if not current.training.ledger.of_this_machine:  # strangers share the processor
            current.training.live = False
    st.session_state[STATE] = token
    if st.query_params.get(ADDRESS) != token:  # going to another page empties the address
        st.query_params[ADDRESS] = token
    visitors().lease(token, this_page())
    return current
