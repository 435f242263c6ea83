"""The visitor of ``benchmarks.soak``, on a handful of actions."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")

from streamlit.proto.NumberInput_pb2 import NumberInput
from streamlit.proto.Selectbox_pb2 import Selectbox

from benchmarks.soak.browser import Browser
from benchmarks.soak.crowd import Told, Trainer, photos, untrue
from benchmarks.soak.visitor import Visitor
from benchmarks.soak.widgets import state_of
from gallop.sample import sample_photos


def test_a_handful_of_actions_is_done_and_the_same_each_time(app_server: str) -> None:
    photos = [(photo.path.name, photo.path.read_bytes()) for photo in sample_photos()[:4]]
    done = []
    for _ in range(2):
        browser = Browser(app_server)
        visitor = Visitor(browser, random.Random(3), photos)
        for _ in range(4):
            visitor.act()
        done.append(dict(visitor.done))
        assert browser.problems == []
        browser.close()
    assert done[0] == done[1]
    assert sum(done[0].values()) == 4


def test_what_is_done_with_a_widget_is_what_a_hand_can_do() -> None:
    hand = random.Random(0)
    box, number = Selectbox(id="box", options=["a", "b"]), NumberInput(id="n", min=1, max=3, has_min=True, has_max=True)
    for _ in range(20):
        assert (state_of("selectbox", box, hand) or {})["string_value"] in ("a", "b")
        assert (state_of("number_input", number, hand) or {})["double_value"] in (1, 2, 3)
    assert state_of("selectbox", Selectbox(id="box", options=["a"], disabled=True), hand) is None
    assert state_of("selectbox", Selectbox(id="box"), hand) is None
    assert state_of("markdown", box, hand) is None


def trainer(asked: float, ended: float, *ahead: int | None) -> Trainer:
    words = {None: "Train", 0: "Training, step 3 of 8"}
    told = [Told(asked, words.get(many, f"Waiting: {many} jobs ahead of yours.")) for many in ahead]
    return Trainer(asked, told, ended)


def test_what_was_told_of_waiting_is_compared_with_what_was() -> None:
    truly = [trainer(1, 5, None, 0, 0), trainer(2, 8, 1, 1, 0), trainer(3, 9, 2, 1, 0)]
    assert untrue(truly) == []
    assert untrue([trainer(1, 5, 0), trainer(2, 8, 1, 0, 1)]) == ["training 2 was told [1, 0, 1]"]
    assert untrue([trainer(1, 5, 2, 0)]) == ["training 1 was told of 2 ahead"]
    assert untrue([trainer(1, 8, 0), trainer(2, 5, 1, 0)]) == [
        "trainings ended in another order than they were asked for"
    ]


def test_photos_that_are_sent_are_all_different() -> None:
    made = photos(120)
    assert len({data for _, data in made}) == len({name for name, _ in made}) == 120
