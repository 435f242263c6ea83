"""Which page is drawn for what a browser reports; ``tests/browser/test_clicks.py`` goes the same ways in a real one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime import websocket_session_manager
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunnerEvent

from app.ui.destination import Visit, keep_to_the_page_asked_for

BEFORE_NAVIGATION = "the script that all pages begin with"
"""What Streamlit calls the page while a visitor's first run goes on."""


def click(page: str) -> ClientState:
    """On the name of a page."""
    return ClientState(page_script_hash=page)


def report(page: str, **more: Any) -> ClientState:
    """Of a widget on a page."""
    said = ClientState(page_script_hash=page, **more)
    said.widget_states.widgets.add(id="map", trigger_value=True)
    return said


def timer(page: str) -> ClientState:
    """Of a part of a page that is drawn by itself."""
    return ClientState(page_script_hash=page, fragment_id="part", is_auto_rerun=True)


class Run:
    """A visit that stands on the page ``one``.

    Attributes:
        drawn: the pages that Streamlit was told to draw, those of which a part alone in brackets.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drawn: list[str] = []
        self.visit: Any = NeverBegun.__new__(NeverBegun)
        self.visit.id = "visit"
        self.visit._scriptrunner = self
        self.visit._pages_manager = SimpleNamespace(get_pages=lambda: dict.fromkeys(("one", "two", "three")))
        self.visit._client_state = ClientState(page_script_hash="one")
        monkeypatch.setattr(AppSession, "request_rerun", lambda _, said: self.told(said))
        monkeypatch.setattr(AppSession, "_handle_scriptrunner_event_on_event_loop", self.handled)

    def told(self, said: ClientState) -> None:
        self.drawn.append(f"({said.page_script_hash})" if said.fragment_id else said.page_script_hash)

    def handled(self, sender: object, event: ScriptRunnerEvent, page: str = "") -> None:
        if event == ScriptRunnerEvent.SCRIPT_STARTED and sender is self:
            self.visit._client_state.page_script_hash = page

    def hears(self, *said: ClientState) -> None:
        for each in said:
            self.visit.request_rerun(each)

    def begins(self, page: str, sender: object = None) -> None:
        self.visit._handle_scriptrunner_event_on_event_loop(sender or self, ScriptRunnerEvent.SCRIPT_STARTED, page)

    def goes_on(self) -> None:
        self.visit._handle_scriptrunner_event_on_event_loop(self, ScriptRunnerEvent.ENQUEUE_FORWARD_MSG)

    def ends(self) -> None:
        self.visit._handle_scriptrunner_event_on_event_loop(self, ScriptRunnerEvent.SHUTDOWN)


class NeverBegun(Visit):
    def __del__(self) -> None:
        """There is nothing to end."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(monkeypatch)


def test_what_the_page_before_reports_goes_to_the_one_that_was_asked_for(run: Run) -> None:
    run.hears(report("one"), click("two"), report("one"))
    run.begins("one")  # a run that was asked for before
    run.hears(report("one", fragment_id="part"))
    run.begins("two")
    run.hears(report("one"))  # the browser has not heard of it yet
    run.hears(report("two"), report("two", fragment_id="part"))
    run.begins("three")  # a button on it has led on
    run.hears(report("two"))
    assert run.drawn == ["one", "two", "two", "two", "two", "two", "(two)", "three"]


def test_parts_of_a_page_that_was_left_are_drawn_no_more(run: Run) -> None:
    run.hears(timer("one"), click("two"), timer("one"))
    run.begins("two")
    run.hears(timer("one"), timer("two"))
    assert run.drawn == ["(one)", "two", "(two)"]


def test_the_last_of_two_pages_is_the_one(run: Run) -> None:
    run.hears(click("two"), click("one"))
    run.goes_on()  # what was drawn before is still being sent
    run.begins("two")  # it was on its way already
    run.hears(report("two"))
    run.begins("one")
    run.hears(click("three"), report("one"))
    assert run.drawn == ["two", "one", "one", "three", "three"]


@pytest.mark.parametrize("part", ["", "part"])
def test_a_first_run_is_that_of_no_page_so_what_is_reported_meanwhile_stays_where_it_is(run: Run, part: str) -> None:
    run.hears(ClientState(page_name="two"))
    run.begins(BEFORE_NAVIGATION)
    run.hears(report("two", fragment_id=part), timer("two"), click("three"), report("two", fragment_id=part))
    assert run.drawn == ["", "(two)" if part else "two", "(two)", "three", "three"]


def test_a_click_that_a_page_overtakes_by_drawing_itself_anew_is_heard_after_it(run: Run) -> None:
    run.hears(click("two"))
    run.begins("one")  # st.rerun() took its place
    run.ends()
    run.begins("two")
    run.ends()
    run.hears(report("two"))
    assert run.drawn == ["two", "two", "two"]


def test_nobody_is_taken_anywhere_who_has_closed_the_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.ui import resources

    monkeypatch.setattr(resources, "connected", lambda page: page != "visit")
    run.hears(click("two"))
    run.ends()
    assert run.drawn == ["two"]


def test_what_another_run_says_counts_for_nothing(run: Run) -> None:
    run.hears(click("two"))
    run.begins("two", sender=object())
    run.hears(report("one"))
    assert run.drawn == ["two", "two"]


def test_a_page_that_is_not_there_keeps_nobody(run: Run) -> None:
    run.hears(click("nowhere"))
    run.begins("nowhere")  # Streamlit says so, and draws the first page
    run.hears(report("one"))
    run.ends()
    assert run.drawn == ["nowhere", "one"]


def test_streamlit_makes_visits_where_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_session_manager, "AppSession", AppSession)
    keep_to_the_page_asked_for()
    assert websocket_session_manager.AppSession is Visit  # type: ignore[attr-defined]
