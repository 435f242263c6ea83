"""Which page is drawn for what a browser reports; ``tests/browser/test_clicks.py`` goes the same ways in a real one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunnerEvent

from app.ui import streamlit_insides
from app.ui.streamlit_insides import ToThePageAskedFor

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
        vars(self.visit).update(
            id="visit",
            _scriptrunner=self,
            _pages_manager=SimpleNamespace(get_pages=lambda: dict.fromkeys(("one", "two", "three"))),
            _client_state=ClientState(page_script_hash="one"),
        )
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


class NeverBegun(ToThePageAskedFor, AppSession):
    def __del__(self) -> None:
        """There is nothing to end."""


def begins(page: str, sender: object = None) -> tuple[str, str, object]:
    return "begins", page, sender


def hears(*said: ClientState) -> tuple[Any, ...]:
    return "hears", *said


ENDS, GOES_ON = ("ends",), ("goes_on",)
SCENES: dict[str, tuple[list[tuple[Any, ...]], list[str]]] = {
    "what the page before reports goes to the one that was asked for": (
        [
            hears(report("one"), click("two"), report("one")),
            begins("one"),  # a run that was asked for before
            hears(report("one", fragment_id="part")),
            begins("two"),
            hears(report("one")),  # the browser has not heard of it yet
            hears(report("two"), report("two", fragment_id="part")),
            begins("three"),  # a button on it has led on
            hears(report("two")),
        ],
        ["one", "two", "two", "two", "two", "two", "(two)", "three"],
    ),
    "parts of a page that was left are drawn no more": (
        [hears(timer("one"), click("two"), timer("one")), begins("two"), hears(timer("one"), timer("two"))],
        ["(one)", "two", "(two)"],
    ),
    "the last of two pages is the one": (
        [
            hears(click("two"), click("one")),
            GOES_ON,  # what was drawn before is still being sent
            begins("two"),  # it was on its way already
            hears(report("two")),
            begins("one"),
            hears(click("three"), report("one")),
        ],
        ["two", "one", "one", "three", "three"],
    ),
    "a first run is that of no page, so what is reported meanwhile stays where it is": (
        [
            hears(ClientState(page_name="two")),
            begins(BEFORE_NAVIGATION),
            hears(report("two"), timer("two"), click("three"), report("two")),
        ],
        ["", "two", "(two)", "three", "three"],
    ),
    "and so does a report of a part": (
        [
            hears(ClientState(page_name="two")),
            begins(BEFORE_NAVIGATION),
            hears(report("two", fragment_id="part"), click("three"), report("two", fragment_id="part")),
        ],
        ["", "(two)", "three", "three"],
    ),
    "a click that a page overtakes by drawing itself again is heard after it": (
        [hears(click("two")), begins("one"), ENDS, begins("two"), ENDS, hears(report("two"))],
        ["two", "two", "two"],
    ),
    "what another run says counts for nothing": (
        [hears(click("two")), begins("two", sender=object()), hears(report("one"))],
        ["two", "two"],
    ),
    "a page that is not there keeps nobody": (
        [hears(click("nowhere")), begins("nowhere"), hears(report("one")), ENDS],  # Streamlit draws the first page
        ["nowhere", "one"],
    ),
    "nobody is taken anywhere who has closed the page": ([hears(click("two")), ENDS], ["two"]),
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_page_that_is_drawn_is_the_one_that_was_asked_for(scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_insides, "connected", lambda page: "closed" not in scene)
    run, (steps, drawn) = Run(monkeypatch), SCENES[scene]
    for happens, *what in steps:
        getattr(run, happens)(*what)
    assert run.drawn == drawn
