"""The visitor of ``benchmarks.soak``, on a handful of actions."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("streamlit", reason="needs the extra 'app'")


from benchmarks.soak.browser import Browser
from benchmarks.soak.visitor import Visitor
from gallop.sample import sample_photos


@pytest.mark.slow
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
    assert (done[0], sum(done[0].values())) == (done[1], 4)
