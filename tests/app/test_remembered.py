"""Values of widgets outlive a change of page, a run that is cut short and a reload; what Streamlit alone would lose."""

from __future__ import annotations

import gc

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ElementTree

from app.ui import resources
from tests.app_pages import EXPLORE, TEACH, Open, fine, go, grid, png, session_of, uploader

K, RUN = "teach scales 0", "compare pin_a"

# The same slider three times: remembered, and by Streamlit alone, whose value is set from the script; switches to draw
# another page, to begin again, and to cut a run short before its end.
SCRIPT = """
import streamlit as st
from app.ui.widgets import remembered

if st.session_state.get("again"):
    remembered.forget()
with remembered.run():
    if not st.session_state.get("elsewhere"):
        shown = remembered.recall("teach scales 0", 5, range(1, 10))
        remembered.keep("teach scales 0", st.slider("k", 1, 9, shown, key="teach scales 0"))
        for name, how in {"persistent": {"persist_state": "session"}, "plain": {}}.items():
            if not st.session_state.get(f"{name} is set"):
                st.session_state[f"{name} is set"], st.session_state[name] = True, 5
            st.slider(name, 1, 9, key=name, **how)
        st.button("Back", on_click=remembered.put, args=("teach scales 0", 3))
    if st.session_state.get("cut"):
        st.stop()
"""
BOTH = (K, "persistent", "plain")


def sent(at: AppTest, key: str = K) -> int:
    """What a browser shows that knew nothing of the slider: the value that it is told, or the default."""
    proto = at.slider(key=key).proto
    return int(proto.value[0]) if proto.set_value else int(proto.default[0])


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    return AppTest.from_string(SCRIPT)


def test_a_value_is_sent_again_where_the_run_that_set_it_was_lost(at: AppTest) -> None:
    """Another event interrupts it: the browser has seen nothing of it, and sends nothing of its widgets."""
    at.session_state["cut"] = True
    fine(at.run())
    assert [sent(at, key) for key in BOTH] == [5, 5, 5]
    lost = at._tree = ElementTree()
    lost._runner = at
    fine(at.run())
    assert [sent(at, key) for key in BOTH] == [5, 5, 1], "without persist_state it is the default"
    assert fine(at.run()).slider(key=K).proto.set_value, "until a run comes to its end"
    at.session_state["cut"] = False
    assert [fine(at.run()).slider(key=K).proto.set_value for _ in range(2)] == [True, False], "and then no more"


def test_what_was_moved_is_not_set_again_and_what_is_put_is(at: AppTest) -> None:
    fine(at.run())
    assert not fine(at.slider(key=K).set_value(7).run()).slider(key=K).proto.set_value, "the browser may be ahead"
    assert (at.slider(key=K).value, session_of(at).values) == (7, {K: 7})
    assert fine(at.button[0].click().run()).slider(key=K).proto.set_value
    assert (sent(at), session_of(at).values) == (3, {K: 3})


def test_streamlit_keeps_a_value_over_a_change_of_page_and_not_over_a_reload(at: AppTest) -> None:
    fine(at.run())
    for key in BOTH:
        at.slider(key=key).set_value(8)
    fine(at.run())
    for elsewhere in (True, False):
        at.session_state["elsewhere"] = elsewhere
        fine(at.run())
    assert [at.slider(key=key).value for key in BOTH[:2]] == [8, 8]
    reloaded = AppTest.from_string(SCRIPT)
    reloaded.query_params[resources.ADDRESS] = at.query_params[resources.ADDRESS]
    fine(reloaded.run())
    assert [reloaded.slider(key=key).value for key in BOTH] == [8, 5, 5], "the day all are 8, keep less"


def test_a_value_that_is_none_of_those_allowed_and_one_that_is_forgotten_become_the_default(at: AppTest) -> None:
    fine(at.run())
    session_of(at).values[K] = at.session_state[K] = 400
    assert fine(at.run()).slider(key=K).value == 5
    assert fine(at.slider(key=K).set_value(7).run()).slider(key=K).value == 7
    at.session_state["again"] = True
    assert (fine(at.run()).slider(key=K).value, session_of(at).values) == (5, {K: 5})


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
from app.ui.widgets import remembered

names = st.session_state.setdefault("names", {1: "one", 2: "two", 3: "two"})
with remembered.run():
    remembered.one_of("Run", names, "compare pin_a", 1, names.__getitem__)
st.selectbox("Plain", names, format_func=names.__getitem__, key="plain", persist_state="session")
"""


def test_a_choice_that_is_renamed_stays_chosen_and_the_browser_is_told(tiny_app: Open) -> None:
    at = fine(AppTest.from_string(LIST).run())
    assert list(at.selectbox(key=RUN).proto.options) == ["one", "two", "two (2)"]
    for run in (2, 3):  # two of the same name
        at.selectbox(key=RUN).set_value(run)
        assert fine(at.run()).selectbox(key=RUN).value == session_of(at).values[RUN] == run
    assert not fine(at.run()).selectbox(key=RUN).proto.set_value
    fine(at.selectbox(key="plain").set_value(3).run())
    at.session_state["names"] = {1: "one", 2: "two", 3: "three"}
    proto = fine(at.run()).selectbox(key=RUN).proto
    assert (proto.set_value, proto.raw_value, proto.default) == (True, "three", 2)
    assert not at.selectbox(key="plain").proto.set_value, "Streamlit does not tell it: the next click loses the choice"
    assert not fine(at.run()).selectbox(key=RUN).proto.set_value


def test_words_that_are_no_longer_those_of_a_choice_are_read_as_the_choice_they_were(tiny_app: Open) -> None:
    """So a busy browser sends them; they come through as they are."""
    at = AppTest.from_string(
        "import streamlit as st\nfrom app.ui.widgets import remembered\n"
        "st.text(remembered.recall('compare pin_a', 1, [1, 2, 3]))"
    )
    fine(at.run())
    session_of(at).values[RUN] = 3
    at.session_state[RUN] = "two (2)"
    assert fine(at.run()).text[0].value == "3"


CALLS = """
import weakref
import streamlit as st
from app.ui.streamlit_insides import drawn_anew

class Model:
    pass

def press(model):
    st.session_state["pressed"] = st.session_state.get("pressed", 0) + 1

with drawn_anew():
    model = Model()
    st.session_state.setdefault("models", weakref.WeakSet()).add(model)
    number = st.session_state.get("number", 0)
    st.button(f"Of run {number}", key=f"button {number}", on_click=press, args=(model,))
    if st.session_state.get("cut"):
        st.stop()
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
