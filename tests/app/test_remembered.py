"""Values of widgets that are set from the script reach the browser, also when a run is cut short."""

from __future__ import annotations

import gc

import pytest
from streamlit.testing.v1 import AppTest

from app.visitor.page_state import CompareState, ExploreState
from tests.app_pages import EXPLORE, TEACH, Open, fine, go, grid, png, session_of, uploader

K, RUN = ExploreState.scales.at(0), CompareState.pin_a

# What the page does to a slider, with switches to begin again, and to cut the run short before its end.
SCRIPT = """
import streamlit as st
from app.ui import resources
from app.ui.widgets import remembered
from app.visitor.page_state import ExploreState

if st.session_state.get("again"):
    remembered.forget(ExploreState)
    resources.session().explore = ExploreState()
remembered.run_begins()
place = ExploreState.scales.at(0)
shown = remembered.recall(place, 5, range(1, 10))
remembered.keep(place, st.slider("k", 1, 9, shown, key=place.key))
st.button("Back", on_click=remembered.put, args=(place, 3))
if st.session_state.get("cut"):
    st.stop()
remembered.run_ends()
"""


def sent(at: AppTest) -> int | None:
    """The value that this run tells the browser to show; None where the browser keeps its own."""
    proto = at.slider(key=K.key).proto
    return int(proto.value[0]) if proto.set_value else None


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    return AppTest.from_string(SCRIPT)


def test_a_value_is_sent_until_a_run_comes_to_its_end_and_then_no_more(at: AppTest) -> None:
    at.session_state["cut"] = True
    assert (sent(fine(at.run())), sent(fine(at.run()))) == (5, 5)
    at.session_state["cut"] = False
    assert (sent(fine(at.run())), sent(fine(at.run()))) == (5, None)
    assert sent(fine(at.slider(key=K.key).set_value(7).run())) is None, "the browser may be ahead of the run"
    assert (at.slider(key=K.key).value, session_of(at).explore.scales) == (7, (7,))
    at.session_state["cut"] = True
    assert sent(fine(at.run())) is None, "that the browser has seen it does not change"
    assert sent(fine(at.button[0].click().run())) == 3
    assert sent(fine(at.run())) == 3, "set in a callback, and cut short as well"


def test_a_value_that_is_none_of_those_allowed_and_a_part_that_is_forgotten_become_the_default(at: AppTest) -> None:
    fine(at.run())
    session_of(at).explore = ExploreState(scales=(400,))
    at.session_state[K.key] = 400
    assert fine(at.run()).slider(key=K.key).value == 5
    assert fine(at.slider(key=K.key).set_value(7).run()).slider(key=K.key).value == 7
    at.session_state["again"] = True
    assert (fine(at.run()).slider(key=K.key).value, session_of(at).explore.scales) == (5, (5,))


def test_what_is_recalled_is_the_default_too_so_that_a_lost_run_does_no_harm(tiny_app: Open) -> None:
    """A browser that was told nothing shows a widget's default, and sends it with the next click."""
    at = fine(tiny_app())
    at.text_area(key="explore names").set_value("red, blue")
    for _ in range(3):
        fine(at.run())
    assert at.text_area(key="explore names").proto.default == "red, blue"
    session = session_of(at)
    session.photos.deck.add("red")
    session.training.settings = session.training.settings  # chosen, so they are drawn
    go(at, TEACH)
    at.number_input(key="teach scales 1").set_value(3)
    for _ in range(3):
        fine(at.run())
    assert [at.number_input(key=f"teach scales {n}").proto.default for n in range(4)] == [5, 3, 15, 20]
    assert at.number_input(key="teach settings lr").proto.default == at.number_input(key="teach settings lr").value
    uploader(go(at, EXPLORE), "Upload photos").upload("photo.png", png(1))
    assert grid(fine(at.run()), "explainer")["state"]["topk"] == [5, 3, 15, 16], "16 regions"


# A list of runs that may be renamed, of which two may bear one name.
LIST = """
import streamlit as st
from app.ui import resources
from app.ui.widgets import remembered
from app.visitor.page_state import CompareState

remembered.run_begins()
names = st.session_state.setdefault("names", {1: "one", 2: "two", 3: "two"})
remembered.one_of("Run", names, CompareState.pin_a, 1, names.__getitem__)
remembered.run_ends()
"""


def test_a_choice_that_is_renamed_stays_chosen_and_the_browser_is_told(tiny_app: Open) -> None:
    at = fine(AppTest.from_string(LIST).run())
    assert list(at.selectbox(key=RUN.key).proto.options) == ["one", "two", "two (2)"]
    for run in (2, 3):  # two of the same name
        at.selectbox(key=RUN.key).set_value(run)
        assert fine(at.run()).selectbox(key=RUN.key).value == session_of(at).compare.pin_a == run
    assert not fine(at.run()).selectbox(key=RUN.key).proto.set_value
    at.session_state["names"] = {1: "one", 2: "two", 3: "three"}
    proto = fine(at.run()).selectbox(key=RUN.key).proto
    assert (proto.set_value, proto.raw_value, proto.default) == (True, "three", 2)
    assert not fine(at.run()).selectbox(key=RUN.key).proto.set_value


def test_words_that_are_no_longer_those_of_a_choice_are_read_as_the_choice_they_were(tiny_app: Open) -> None:
    """So a busy browser sends them; they come through as they are."""
    at = AppTest.from_string(
        "import streamlit as st\nfrom app.ui.widgets import remembered\n"
        "from app.visitor.page_state import CompareState\n"
        "st.text(remembered.recall(CompareState.pin_a, 1, [1, 2, 3]))"
    )
    fine(at.run())
    session_of(at).compare = CompareState(pin_a=3)
    at.session_state[RUN.key] = "two (2)"
    assert fine(at.run()).text[0].value == "3"


CALLS = """
import weakref
import streamlit as st
from app.ui.widgets import remembered

class Model:
    pass

def press(model):
    st.session_state["pressed"] = st.session_state.get("pressed", 0) + 1

remembered.run_begins()
model = Model()
st.session_state.setdefault("models", weakref.WeakSet()).add(model)
number = st.session_state.get("number", 0)
st.button(f"Of run {number}", key=f"button {number}", on_click=press, args=(model,))
if st.session_state.get("cut"):
    st.stop()
remembered.run_ends()
"""


def test_what_a_widget_calls_goes_with_the_widget(tiny_app: Open) -> None:
    """Streamlit keeps it as long as the page is open, with the model that it would be called with."""
    at = AppTest.from_string(CALLS)
    for number in range(6):
        at.session_state["number"] = number
        fine(at.run())
        buttons = len(fine(at.button[0].click().run()).button)
        assert (buttons, at.session_state["pressed"]) == (1, number + 1), "what is drawn is still called"
    gc.collect()
    assert len(at.session_state["models"]) <= 2, "that of the last run, and of the one before"
    at.session_state["cut"] = True
    fine(at.run())
    assert fine(at.button[0].click().run()).session_state["pressed"] == 7, "a run that is cut short drops nothing"


AFTER_A_PART = """
import streamlit as st
from streamlit.delta_generator_singletons import context_dg_stack
from app.ui import streamlit_insides

part = st.sidebar.container()
context_dg_stack.set((*context_dg_stack.get(), part))  # as a thread stands that has drawn a part of the page again
st.text("in the part")
streamlit_insides.draw_from_the_top()
st.text("on the page")
"""


def test_a_page_is_drawn_from_the_top_by_a_thread_that_has_drawn_a_part(tiny_app: Open) -> None:
    """One that had drawn a dialog went on inside it: the page showed an error where it opens the dialog."""
    at = fine(AppTest.from_string(AFTER_A_PART).run())
    assert [[each.value for each in part.text] for part in (at.sidebar, at.main)] == [["in the part"], ["on the page"]]
