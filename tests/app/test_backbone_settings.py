"""Each backbone is taught with settings of its own: what was measured on one is never another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.options import Options
from app.shared_backbones import BackboneRoom
from app.teaching.training import (
    ACCURATE,
    CUSTOM,
    PAPER,
    QUICK,
    preset,
    usual_way,
    way_in_words,
    way_of,
    with_prompts,
)
from app.ui import resources
from app.views.export import imported
from app.visitor.photos import VisitorPhotos
from app.visitor.session import Session
from app.visitor.training import VisitorTraining
from gallop.backbones.loading import load_backbone
from gallop.backbones.weights import KnownBackbone
from gallop.config import default_topk, scaled_topk, train_preset
from tests import tiny
from tests.app_pages import (
    EXPLORE,
    RUNS,
    TEACH,
    Open,
    button,
    cards,
    everything,
    fine,
    go,
    session_of,
    sums,
    train,
    with_photo,
)

GRIDS = {"four": (32, 8), "seven": (56, 8), "fine": (192, 8)}
"""Side of the photo and of a region, in pixels, of a backbone by its name."""


@pytest.fixture
def three(tiny_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """The app with ``mini`` and backbones of 4 x 4, 7 x 7 and 24 x 24 regions beside it."""
    # Of all of them, not a tiny one in their place.
    monkeypatch.setattr("gallop.backbones.load_backbone", load_backbone)
    folders = [
        str(tiny.backbone_folder(tmp_path / name, image_size=side, patch_size=patch))
        for name, (side, patch) in GRIDS.items()
    ]
    with closing(BackboneRoom(Options(tuple(folders)))) as room:
        monkeypatch.setattr(resources.shared, "backbones", room)
        yield tiny_app


@given(st.integers(1, 4096), st.integers(0, 64))
def test_scales_are_the_same_shares_of_a_photo_in_every_grid(regions: int, count: int) -> None:
    found = scaled_topk(default_topk(count), regions)
    assert len(found) == count
    assert all(1 <= k <= regions for k in found)
    assert all(a < b or b == regions for a, b in pairwise(found))
    apart = Fraction(5 * regions, 196) > 2  # then no two shares meet
    for n, k in enumerate(found if apart else ()):
        share = Fraction(5 * (n + 1) * regions, 196)
        assert k == regions if share > regions else abs(k - share) <= Fraction(1, 2)


def test_scales_of_known_grids() -> None:
    assert {
        (side, count): scaled_topk(default_topk(count), side * side)
        for side, count in ((14, 5), (24, 4), (7, 4), (4, 4), (1, 3))
    } == {
        (14, 5): (5, 10, 15, 20, 25),  # the paper's own
        (24, 4): (15, 29, 44, 59),
        (7, 4): (1, 2, 4, 5),
        (4, 4): (1, 2, 3, 4),
        (1, 3): (1, 1, 1),
    }
    assert with_prompts((5, 300), 4, 7 * 7) == (5, 49, 4, 5)


def test_the_measured_rounds_are_no_more_than_the_photos() -> None:
    for way in (QUICK, ACCURATE):
        few = preset(way, counted=(6, 2))
        assert (few.epochs, preset(way, counted=(60, 2)).epochs) == (6, 30)
        assert replace(few, epochs=30) == preset(way)
        known = [(few, (6, 2)), (preset(way), (6, 2)), (few, (9, 2))]
        assert [way_of(found, "default", 196, counted) for found, counted in known] == [way, way, CUSTOM], (
            "the last are rounds of someone's own"
        )


def test_what_was_measured_on_mini_is_no_other_backbones() -> None:
    paper, quick = train_preset("paper"), preset(QUICK, "paper", 49)
    assert preset(QUICK).training() == train_preset("default")
    assert preset(PAPER).training() == preset(PAPER, "paper", 49).training() == paper
    # The paper's but for what takes long.
    assert (quick.training(), quick.topk) == (replace(paper, epochs=50, views=4), (1, 2, 4, 5))
    assert preset(PAPER, "paper", 16).topk == (5, 10, 15, 16), "clamped, as the paper's are when they are pooled"
    assert (usual_way("default"), usual_way("paper")) == (QUICK, PAPER)


def test_the_papers_rounds_go_by_the_photos_of_a_class() -> None:
    assert [preset(PAPER, counted=(photos, 2)).epochs for photos in (2, 4, 15, 16, 32)] == [50, 100, 100, 200, 200]
    assert preset(QUICK, "paper", counted=(1, 1)).epochs == 50
    assert [way_of(replace(preset(PAPER), epochs=epochs), "paper", 196) for epochs in (50, 100, 99)] == [
        PAPER,
        PAPER,
        CUSTOM,
    ]


def test_the_way_that_settings_are_of_is_known_again() -> None:
    same, other = {"seed": 7, "shots": 3, "topk": (9, 9, 9, 9)}, [{"lr": 0.3}, {"topk": (1, 2)}]
    for own, way in product(("default", "paper"), (QUICK, ACCURATE, PAPER)):
        found = [replace(preset(way, own, 49), **changes) for changes in ({}, same, *other)]
        assert [way_of(each, own, 49) for each in found] == [way, way, CUSTOM, CUSTOM]


def test_words_say_what_was_measured_and_what_was_not() -> None:
    mini = KnownBackbone("mini", grid=(14, 14), preset="default")
    other = KnownBackbone("other", grid=(7, 7))
    unmeasured = "50 rounds with 4 views of each photo, k scaled to its 49 regions. Not measured on any backbone."
    wanted = [
        (QUICK, "Chosen by measurement"),
        (QUICK, unmeasured),
        (ACCURATE, "five times as long"),
        (PAPER, "the defaults"),
    ]
    assert [words in way_in_words(way, mini) for way, words in wanted] == [True, False, True, False]
    assert [words in way_in_words(way, other) for way, words in wanted] == [False, True, True, True]


def test_of_a_backbone_that_nothing_was_set_for_a_training_takes_the_usual_settings() -> None:
    training = VisitorTraining(VisitorPhotos())
    assert training.settings == preset(QUICK)
    training.backbone_name = "other"
    assert training.settings == preset(PAPER, "paper")
    training.settings = replace(training.settings, lr=0.5)
    assert training.settings_on(KnownBackbone("other", grid=(2, 2))).lr == 0.5
    training.backbone_name = "mini"
    assert training.settings == preset(QUICK)
    training.backbone_name = "third"
    assert training.settings_on(KnownBackbone("third", grid=(2, 2))).topk == (4, 4, 4, 4)


def choose(at: AppTest, name: str) -> AppTest:
    return fine(at.selectbox(key="backbones chosen").set_value(name).run())


def scales(at: AppTest) -> list[tuple[int, int]]:
    """Value and largest value of each k on Teach."""
    found = [at.number_input(key=f"teach scales {n}") for n in range(4)]
    return [(int(each.value), int(each.max)) for each in found]


def stands(at: AppTest) -> tuple[str, list[Any], list[tuple[int, int]]]:
    """Way, learning rate, rounds and views, and scales on Teach."""
    form = [at.number_input(key=f"teach settings {name}").value for name in ("lr", "epochs", "views")]
    return str(at.radio(key="teach way").value), form, scales(at)


def test_each_backbone_has_a_form_of_its_own(three: Open) -> None:
    at = cards(fine(three()), {"red": 2, "green": 2})
    session_of(at).training.settings_by_backbone.clear()
    go(at, TEACH)
    assert stands(at) == (QUICK, [0.1, 4, 4], [(5, 196), (10, 196), (15, 196), (20, 196)]), "no more rounds than photos"
    fine(at.radio(key="teach way").set_value(CUSTOM).run())
    at.number_input(key="teach settings epochs").set_value(7)
    fine(at.number_input(key="teach scales 1").set_value(150).run())
    mine = session_of(at).training.settings

    choose(at, "seven")
    # What goes with it, and the paper's rounds for two photos a class.
    assert stands(at) == (PAPER, [0.002, 100, 0], [(5, 49), (10, 49), (15, 49), (20, 49)])
    assert "the defaults" in everything(at)
    fine(at.radio(key="teach way").set_value(QUICK).run())
    assert stands(at) == (QUICK, [0.002, 50, 4], [(1, 49), (2, 49), (4, 49), (5, 49)])
    assert "k scaled to its 49 regions" in everything(at)
    fine(at.number_input(key="teach scales 3").set_value(30).run())

    choose(at, "four")
    assert ([k for k, _ in scales(at)], scales(choose(at, "fine"))[0]) == ([5, 10, 15, 16], (5, 576))

    # Nothing is lost on the way, and nothing of one got into another.
    choose(at, "mini")
    assert (at.radio(key="teach way").value, session_of(at).training.settings) == (CUSTOM, mine)
    assert scales(at)[1] == (150, 196)
    choose(at, "seven")
    assert stands(at) == (QUICK, [0.002, 50, 4], [(1, 49), (2, 49), (4, 49), (30, 49)])


def test_a_model_that_is_opened_is_read_at_the_k_that_it_learned_with(three: Open) -> None:
    at = cards(choose(with_photo(three, "red\ngreen"), "seven"), {"red": 2, "green": 2}, topk=(1, 3, 4, 5))
    session = session_of(train(at))
    go(at, TEACH)
    fine(at.number_input(key="teach scales 0").set_value(40).run())
    assert session.training.scales()[0] == 40
    fine(button(go(at, RUNS), "Open A").click().run())
    assert session.training.scales() == (1, 3, 4, 5)
    go(at, TEACH)
    assert [k for k, _ in scales(at)] == [1, 3, 4, 5]
    go(at, EXPLORE)
    assert [line.split(":")[0] for line in sums(at)] == ["k = 1", "k = 3", "k = 4", "k = 5"]
    choose(at, "mini")
    assert [line.split(":")[0] for line in sums(at)] == ["k = 5", "k = 10", "k = 15", "k = 20"], "its own"


def test_of_a_model_that_does_not_say_how_it_was_taught_the_settings_are_its_backbones() -> None:
    taught = imported(Session(), tiny.classifier().zero_shot(["red", "green"]), tiny.vit())
    assert taught.settings.training() == train_preset("paper"), "nothing of mini's"
