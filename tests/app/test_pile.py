"""A pile of photos: what is kept of them, what lies above the line, and what checks promise. Without Streamlit."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.options import Options, start_with
from app.photos.pile import MOST_IN_PILE, WRONG, PhotoPile, PilePhoto, SortedPhotos, kept_small
from app.photos.shelf import small
from gallop import load_image
from gallop.data.project import SHOT_SIDE
from gallop.evaluation.promise import Promise, check_order
from gallop.wording import NONE_OF_THESE
from tests.nasty_images import encode
from tests.tiny import png, zip_of

NAMES = ("cat", "dog")


def photo(key: str, score: float, answer: int = 0) -> PilePhoto:
    """A photo of which the model is so sure."""
    row = np.full(2, 1 - score, np.float32)
    row[max(answer, 0)] = score
    return PilePhoto(key, f"{key}.jpg", b"", "", row, answer)


def put(pile: PhotoPile, photos: Sequence[PilePhoto], **more: Any) -> PhotoPile:
    pile.found = SortedPhotos("first", NAMES, {each.key: each for each in photos}, **more)
    pile.settle()
    return pile


def many(count: int) -> PhotoPile:
    return put(PhotoPile(), [photo(f"{i:04}", 0.6 + 0.3 * i / count) for i in range(count)])


def check(pile: PhotoPile, count: int, wrong: int = 0) -> None:
    """Check so many photos in the order of the pile, the first of them wrong."""
    for n in range(count):
        number = pile.order.index(pile.to_check()[0])
        pile.hear({"act": "check", "photos": [number], "wrong": [number] if n < wrong else []})


# What is kept --------------------------------------------------------------------------------------------------------


class File(io.BytesIO):
    def __init__(self, name: str, data: bytes) -> None:
        super().__init__(data)
        self.name = name


def test_a_photo_is_kept_as_it_came_or_smaller_and_is_the_one_that_a_card_would_hold() -> None:
    large = encode(Image.effect_noise((1500, 900), 60).convert("RGB"), "JPEG")
    little = encode(Image.new("RGB", (40, 32), "red"), "PNG")
    for data in (large, little):
        kept = kept_small("a.jpg", data)
        assert kept.key == small(load_image(kept.data), SHOT_SIDE).sha256
        assert len(kept.data) <= len(data)
        assert max(load_image(kept.data).image.size) == (SHOT_SIDE if data is large else 40)
    assert kept_small("a.png", little).data == little


def test_files_and_zips_of_any_folders_wait_and_what_is_unsafe_or_too_much_is_refused() -> None:
    pile, zipped = PhotoPile(), zip_of({"deep/in/a.png": png(1), "b.png": png(2), "../c.png": png(3)})
    verdicts = pile.take([File("photos.zip", zipped), File("d.png", png(4))], 0)
    assert [name for name, _ in pile.waiting] == ["a.png", "b.png", "d.png"]
    assert len(verdicts.refused) == 1
    assert "not a safe path" in verdicts.refused[0]
    pile.waiting = [("x", b"")] * MOST_IN_PILE
    assert f"at most {MOST_IN_PILE} photos" in pile.take([File("e.png", png(5))], 0).refused[0]


def test_what_waits_counts_as_memory_and_has_a_limit() -> None:
    pile, data = PhotoPile(), png(1)
    start_with(Options(visitor_memory=2 * len(data)))
    try:
        refused = pile.take([File(f"{i}.png", data) for i in range(3)], 0).refused
    finally:
        start_with(Options())
    assert (pile.size, len(refused)) == (2 * len(data), 1)
    assert "2.png does not fit" in refused[0]


# The line ------------------------------------------------------------------------------------------------------------


def test_the_surest_come_first_and_none_of_these_lie_below_any_line() -> None:
    pile = put(PhotoPile(), [photo("a", 0.7), photo("none", 0.99, -1), photo("b", 0.9, 1), photo("c", 0.8)])
    assert (pile.order, pile.candidates, pile.accepted) == (("b", "c", "a", "none"), 3, 3)
    pile.hear({"act": "line", "count": 4})
    assert pile.accepted == 3
    assert pile.sorted_out().keys() == {"a", "b", "c"}


def test_held_out_photos_suggest_where_the_line_begins_until_a_person_moves_it() -> None:
    held_out = ([0.95, 0.9, 0.75, 0.65], [True, True, False, True])
    photos = [photo("a", 0.97), photo("b", 0.92), photo("c", 0.8)]
    pile = put(PhotoPile(), photos, held_out=held_out)
    assert pile.accepted == 2, "above 0.9 no held-out photo is wrong"
    pile.hear({"act": "line", "count": 3})
    put(pile, [*photos, photo("d", 0.85), photo("e", 0.7)], held_out=held_out)
    assert pile.accepted == 4, "all that are as sure as the last photo above the line"


def test_a_cancelled_sorting_by_a_new_model_changes_nothing() -> None:
    pile = many(5)
    before = (pile.order, pile.turn, pile.now)
    assert put(pile, [photo("0001", 0.99)]).order == before[0]
    assert (pile.turn, pile.now) == before[1:]


# Checks --------------------------------------------------------------------------------------------------------------


def test_checks_without_an_error_earn_the_promise_about_what_lies_above_the_line() -> None:
    pile = many(1000)
    pile.hear({"act": "line", "count": 800})
    assert pile.promise == Promise(0.05, 800)
    needed = pile.promise.remaining or 0
    check(pile, needed - 1)
    assert not pile.promise.kept
    check(pile, 1)
    assert pile.promise == Promise(0.05, 800, needed)
    assert pile.promise.kept


def test_photos_are_checked_in_random_order_and_only_above_the_line() -> None:
    pile = many(100)
    pile.hear({"act": "line", "count": 40})
    above = list(pile.order[:40])
    expected = [above[i] for i in check_order(above, seed=pile.turn)]
    asked = []
    while left := pile.to_check():
        asked.append(left[0])
        check(pile, 1)
    assert asked == expected


def test_an_error_is_counted_and_not_accepted_until_somebody_says_what_it_is() -> None:
    pile = many(1000)
    (first, *_) = pile.to_check()
    check(pile, 5, wrong=1)
    assert (pile.promise.errors, pile.promise.right, pile.answer(first)) == (1, 4, WRONG)
    assert first not in pile.sorted_out()
    pile.hear({"act": "label", "photos": [pile.order.index(first)], "label": 1})
    assert pile.sorted_out()[first] == "dog"
    assert pile.promise.errors == 1, "what the model said stays wrong"


def test_a_moved_line_is_another_promise_about_photos_that_were_not_checked() -> None:
    pile = many(1000)
    check(pile, 30, wrong=2)
    pile.hear({"act": "line", "count": 900})
    checked_above = sum(key in pile.labels for key in pile.order[:900])
    assert pile.promise == Promise(0.05, 900 - checked_above, moved=1)
    pile.hear({"act": "line", "count": 800})
    assert pile.moved == 1, "nothing was checked at that line"


def test_a_line_that_earned_its_promise_costs_nothing() -> None:
    pile = many(1000)
    check(pile, 59)
    pile.hear({"act": "line", "count": 900})
    assert pile.moved == 0


def test_photos_that_a_person_has_labelled_are_no_part_of_the_promise() -> None:
    pile = many(100)
    pile.hear({"act": "label", "photos": [0, 1, 2], "label": 1})
    assert pile.promise.pile == 97
    assert [pile.sorted_out()[key] for key in pile.order[:3]] == ["dog"] * 3


def test_none_of_these_said_by_a_person_is_not_accepted_and_a_class_below_the_line_is() -> None:
    pile = many(10)
    pile.hear({"act": "line", "count": 5})
    pile.hear({"act": "label", "photos": [0], "label": 2})
    pile.hear({"act": "label", "photos": [9], "label": 1})
    assert pile.answer(pile.order[0]) == NONE_OF_THESE
    assert pile.sorted_out() == {pile.order[9]: "dog"} | dict.fromkeys(pile.order[1:5], "cat")


def test_every_change_is_undone_in_turn() -> None:
    pile = many(50)
    states = []
    for act in ({"act": "label", "photos": [3, 4], "label": 1}, {"act": "label", "photos": [3], "label": 2}):
        states.append((pile.labels, pile.checks))
        pile.hear(act)
    states.append((pile.labels, pile.checks))
    check(pile, 1, wrong=1)
    for state in reversed(states):
        pile.hear({"act": "undo"})
        assert (pile.labels, pile.checks) == state
    pile.hear({"act": "undo"})
    assert pile.labels == {}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"act": "line", "count": -1},
        {"act": "line", "count": True},
        {"act": "line", "count": 1e3},
        {"act": "level", "level": 0.5},
        {"act": "label", "photos": [0], "label": 3},
        {"act": "label", "photos": [0], "label": -1},
        {"act": "label", "photos": [10, -1, None, "0", True], "label": 1},
        {"act": "label", "photos": "0", "label": 1},
        {"act": "undo"},
        {"act": ["line"]},
    ],
    ids=str,
)
def test_what_a_browser_says_that_makes_no_sense_does_nothing(said: dict[str, Any]) -> None:
    pile = many(10)
    before = repr(pile)
    pile.hear(said)
    assert repr(pile) == before


def test_only_photos_that_are_to_be_checked_can_be() -> None:
    pile = many(100)
    below = [pile.order.index(key) for key in pile.order if key not in pile.to_check()]
    pile.hear({"act": "check", "photos": below, "wrong": []})
    assert pile.promise.checked == 0


def test_pictures_are_sent_for_numbers_that_there_are() -> None:
    kept = kept_small("a.png", png(1))
    pile = put(PhotoPile(), [kept])
    assert pile.pictures([0, 1, -1, "0", None]) == [[0, kept.thumbnail]]
    ((number, url),) = pile.pictures([0, 7], large=True)
    assert (number, url[:22]) == (0, "data:image/jpeg;base64")
    assert pile.pictures({"0": 0}) == []
