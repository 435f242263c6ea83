"""Values of widgets that are set from the script reach the browser, also when a run is cut short."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.testing.v1 import AppTest

from tests.app_pages import Open, fine, png, session_of, uploader

# What the page does to a slider, with a switch to cut the run short before its end.
SCRIPT = """
import streamlit as st
import resources
from parts import kept

kept.run_begins()
kept.recall("k", 5, range(1, 10))
kept.keep("k", st.slider("k", 1, 9, key="k"))
st.button("Back", on_click=kept.put, args=("k", 3))
if st.session_state.get("cut"):
    st.stop()
kept.run_ends()
"""


def sent(at: AppTest) -> int | None:
    """The value that this run tells the browser to show; None where the browser keeps its own."""
    proto = at.slider(key="k").proto
    return int(proto.value[0]) if proto.set_value else None


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    return AppTest.from_string(SCRIPT)


def test_a_value_is_sent_until_a_run_comes_to_its_end_and_then_no_more(at: AppTest) -> None:
    at.session_state["cut"] = True
    assert sent(fine(at.run())) == 5
    assert sent(fine(at.run())) == 5
    at.session_state["cut"] = False
    assert sent(fine(at.run())) == 5
    assert sent(fine(at.run())) is None
    at.slider(key="k").set_value(7)
    assert sent(fine(at.run())) is None, "the browser may be ahead of the run"
    assert at.slider(key="k").value == 7
    assert session_of(at).kept["k"] == 7
    at.session_state["cut"] = True
    assert sent(fine(at.run())) is None, "that the browser has seen it does not change"
    at.button[0].click()
    assert sent(fine(at.run())) == 3
    assert sent(fine(at.run())) == 3, "set in a callback, and cut short as well"


def test_a_value_that_is_none_of_those_allowed_becomes_the_default(tiny_app: Open) -> None:
    at = fine(tiny_app())
    session_of(at).kept["k 0"] = 400
    uploader(at, "Upload photos").upload("photo.png", png(1))
    fine(at.run())
    assert at.slider(key="k 0").value == 5
