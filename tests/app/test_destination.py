"""Which page is drawn for what a browser reports; ``tests/browser/test_clicks.py`` goes the same ways in a real one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime import websocket_session_manager
from streamlit.runtime.app_session import AppSession

from app.ui.destination import Visit, keep_to_the_page_asked_for


def click(page: str) -> ClientState:
    """On the name of a page."""
    return ClientState(page_script_hash=page)


def report(page: str) -> ClientState:
    """Of a widget on a page."""
    said = ClientState(page_script_hash=page)
    said.widget_states.widgets.add(id="map", trigger_value=True)
    return said


class NeverBegun(Visit):
    def __del__(self) -> None:
        """There is nothing to end."""


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One that stands on ``one``, and in ``drawn`` what Streamlit was told to draw."""
    found: Any = NeverBegun.__new__(NeverBegun)
    found.drawn = []
    found._pages_manager = SimpleNamespace(get_pages=lambda: dict.fromkeys(("one", "two", "three")))
    found._client_state = ClientState(page_script_hash="one")
    monkeypatch.setattr(AppSession, "request_rerun", lambda _, said: found.drawn.append(said.page_script_hash))
    monkeypatch.setattr(AppSession, "_handle_scriptrunner_event_on_event_loop", lambda _, page: begins(found, page))
    return found


def begins(visit: Any, page: str) -> None:
    visit._client_state.page_script_hash = page


def test_what_the_page_before_reports_goes_to_the_one_that_was_asked_for(visit: Any) -> None:
    visit.request_rerun(report("one"))
    visit.request_rerun(click("two"))
    visit.request_rerun(report("one"))
    visit.request_rerun(ClientState(page_script_hash="one", is_auto_rerun=True))
    visit._handle_scriptrunner_event_on_event_loop("one")  # a run that was asked for before
    visit.request_rerun(ClientState(page_script_hash="one", fragment_id="part"))
    visit._handle_scriptrunner_event_on_event_loop("two")
    visit.request_rerun(report("one"))  # the browser has not heard of it yet
    visit.request_rerun(report("two"))
    visit._handle_scriptrunner_event_on_event_loop("three")  # a button on it has led on
    visit.request_rerun(report("two"))
    assert visit.drawn == ["one", "two", "two", "two", "two", "two", "two", "three"]


def test_the_last_of_two_pages_is_the_one(visit: Any) -> None:
    visit.request_rerun(click("two"))
    visit.request_rerun(click("one"))
    visit.request_rerun(report("one"))
    visit._handle_scriptrunner_event_on_event_loop("one")
    visit.request_rerun(click("three"))
    visit.request_rerun(report("one"))
    assert visit.drawn == ["two", "one", "one", "three", "three"]


def test_a_page_that_is_not_there_keeps_nobody(visit: Any) -> None:
    visit.request_rerun(click("nowhere"))
    visit._handle_scriptrunner_event_on_event_loop("one")  # Streamlit draws the first page instead
    visit.request_rerun(report("one"))
    assert visit.drawn == ["nowhere", "one"]


def test_a_first_run_names_no_page(visit: Any) -> None:
    visit.request_rerun(ClientState(page_name="teach"))
    assert visit.drawn == [""]


def test_streamlit_makes_visits_where_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_session_manager, "AppSession", AppSession)
    keep_to_the_page_asked_for()
    assert websocket_session_manager.AppSession is Visit  # type: ignore[attr-defined]
