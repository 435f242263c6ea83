"""A pile of photos: what is kept of them, what lies above the line, and what checks promise. Without Streamlit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.photos.pile import MOST_IN_PILE, PhotoPile, PilePhoto, ScoredPhotos, kept_small
from app.photos.shelf import small
from gallop import load_image
from gallop.data.project_file import SHOT_SIDE
from gallop.evaluation.promise import LEVELS, Promise, check_order, checks_needed
from tests.app.test_photos import file
from tests.nasty_images import encode
from tests.tiny import png, zip_of

NAMES = ("cat", "dog")


def photo(key: str, score: float, answer: int = 0) -> PilePhoto:
    """A photo of which the model is so sure."""
    row = np.full(2, 1 - score, np.float32)
    row[max(answer, 0)] = score
    return PilePhoto(key, f"{key}.jpg", b"", "", row, answer)


def put(pile: PhotoPile, photos: Sequence[PilePhoto]) -> PhotoPile:
    pile.found = ScoredPhotos("first", NAMES, {each.key: each for each in photos})
    pile.settle()
    return pile


def do(pile: PhotoPile, said: dict[str, Any]) -> None:
    """Do what a browser asks for next."""
    pile.hear([{"turn": pile.heard + 1, "version": pile.turn, **said}])


def many(count: int) -> PhotoPile:
    """So many photos of one class, all above the line."""
    pile = put(PhotoPile(), [photo(f"{i:04}", 0.6 + 0.3 * i / count) for i in range(count)])
    return play(pile, {"act": "line", "count": count})


def check(pile: PhotoPile, count: int, wrong: int = 0) -> None:
    """Check so many photos in the order of the pile, the first of them wrong."""
    for n in range(count):
        number = pile.scored.keys.index(pile.to_check()[0])
        do(pile, {"act": "check", "photos": [number], "wrong": [number] if n < wrong else []})


def play(pile: PhotoPile, *steps: dict[str, Any] | tuple[int, int]) -> PhotoPile:
    """Do one after another what a browser asks for, or check so many photos, the first of them wrong."""
    for step in steps:
        if isinstance(step, dict):
            do(pile, step)
        else:
            check(pile, *step)
    return pile


# What is kept --------------------------------------------------------------------------------------------------------


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
    verdicts = pile.take([file(zipped, "photos.zip"), file(png(4), "d.png")], 0)
    assert [name for name, _ in pile.waiting] == ["a.png", "b.png", "d.png"]
    assert ["not a safe path" in sentence for sentence in verdicts.refused] == [True]
    pile.waiting = [("x", b"")] * MOST_IN_PILE
    assert f"at most {MOST_IN_PILE} photos" in pile.take([file(png(5), "e.png")], 0).refused[0]


def test_what_waits_counts_as_memory_and_has_a_limit(allow: Callable[[int], None]) -> None:
    pile, data = PhotoPile(), png(1)
    allow(2 * len(data))
    (refused,) = pile.take([file(data, f"{i}.png") for i in range(3)], 0).refused
    assert ("2.png does not fit" in refused, pile.size) == (True, 2 * len(data))


# The line ------------------------------------------------------------------------------------------------------------


def test_the_surest_come_first_and_none_of_these_lie_below_any_line() -> None:
    pile = put(PhotoPile(), [photo("a", 0.7), photo("none", 0.99, -1), photo("b", 0.9, 1), photo("c", 0.8)])
    assert pile.scored.keys == ["b", "c", "a", "none"]
    play(pile, {"act": "line", "count": 3}, {"act": "line", "count": 4})
    assert (pile.above, pile.scored.targets.keys()) == (3, {"a", "b", "c"})


def test_probabilities_suggest_where_the_line_begins_for_what_is_to_be_promised_until_a_person_moves_it() -> None:
    photos = [photo("a", 0.999), photo("b", 0.995), photo("c", 0.98), photo("d", 0.5)]
    pile = put(PhotoPile(), photos)
    assert pile.above == 2, "0.3% of two are expected to be wrong, 0.9% of three"
    assert play(pile, {"act": "level", "level": 0.01}).above == 1
    assert play(pile, {"act": "line", "count": 3}, {"act": "level", "level": 0.05}).above == 3
    put(pile, [*photos, photo("e", 0.99), photo("f", 0.9)])
    assert pile.above == 4, "all that are as sure as the last photo above the line"


def test_a_browser_cannot_accept_what_is_none_of_these() -> None:
    pile = play(put(PhotoPile(), [photo("none", 0.99, -1)]), {"act": "line", "count": 1})
    assert (pile.above, pile.scored.targets) == (0, {})
    assert "No photo lies above the line" in pile.shown({})["promise"]


def test_a_cancelled_sorting_by_a_new_model_changes_nothing() -> None:
    pile = many(5)
    before = (pile.scored, pile.turn, pile.now)
    put(pile, [photo("0001", 0.99)])
    assert (pile.scored, pile.turn, pile.now) == before


# Checks --------------------------------------------------------------------------------------------------------------


def test_checks_without_an_error_earn_the_promise_about_what_lies_above_the_line() -> None:
    pile = play(many(1000), {"act": "line", "count": 800})
    assert pile.scored.promise == Promise(0.05, 800)
    needed, *more = (int(checks_needed(wrong, 800)[0]) for wrong in LEVELS)
    assert not play(pile, (needed - 1, 0)).scored.promise.kept
    assert [checks for _, checks in pile.shown({})["levels"]] == [needed, *more], "at best, whatever was checked"
    assert (play(pile, (1, 0)).scored.promise, pile.scored.promise.kept) == (Promise(0.05, 800, needed), True)


def test_photos_are_checked_in_random_order_and_only_above_the_line() -> None:
    pile, asked = play(many(100), {"act": "line", "count": 40}), list[str]()
    above = pile.scored.keys[:40]
    while left := pile.to_check():
        asked.append(left[0])
        check(pile, 1)
    assert asked == [above[i] for i in check_order(above)]


def test_an_error_is_counted_and_not_accepted_until_somebody_says_what_it_is() -> None:
    pile = many(1000)
    (first, *_) = pile.to_check()
    check(pile, 5, wrong=1)
    assert (pile.scored.promise.errors, pile.scored.promise.right, pile.scored.said[first]) == (1, 4, None)
    assert first not in pile.scored.targets
    do(pile, {"act": "label", "photos": [pile.scored.keys.index(first)], "label": 1})
    assert (pile.scored.targets[first], pile.scored.promise.errors) == ("dog", 1), "what the model said stays wrong"


def test_a_moved_line_is_another_promise_about_photos_that_were_not_checked() -> None:
    pile = play(many(1000), (30, 2), {"act": "line", "count": 900})
    checked_above = len(set(pile.scored.keys[:900]) & pile.scored.said.keys())
    assert pile.scored.promise == Promise(0.05, 900 - checked_above, moved=1)
    assert play(pile, {"act": "line", "count": 800}).scored.state["moved"] == 1, "nothing was checked at that line"


@pytest.mark.parametrize(
    ("steps", "kept", "lost"),
    [
        pytest.param([(59, 0)], True, 0, id="one that earned its promise costs nothing"),
        pytest.param(
            [{"act": "level", "level": 0.01}, (158, 1), {"act": "level", "level": 0.05}],
            True,
            1,
            id="one that failed at a smaller fraction costs although less is promised",
        ),
        pytest.param(
            [{"act": "level", "level": 0.01}, {"act": "level", "level": 0.05}, (59, 0)],
            True,
            0,
            id="a fraction that was looked at before the first check costs nothing",
        ),
        # Else one would look, undo, and move the line past what was wrong.
        pytest.param([(1, 1), {"act": "undo"}], False, 1, id="checks that were undone are not forgotten"),
    ],
)
def test_a_line_that_is_moved_costs_unless_it_had_earned_its_promise(steps: list[Any], kept: bool, lost: int) -> None:
    pile = play(many(1000), *steps)
    assert pile.scored.promise.kept is kept
    assert play(pile, {"act": "line", "count": 900}).scored.state["moved"] == lost


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        ([{"act": "line", "count": 500}], None),
        ([{"act": "line", "count": 500}, (59, 0)], 600),
        ([(60, 60)], 500),
    ],
)
def test_the_next_line_is_lower_after_a_kept_promise_and_higher_where_it_cannot_be_kept(
    steps: list[Any], count: int | None
) -> None:
    assert play(many(1000), *steps).shown({})["next"] == count


def test_photos_labelled_before_the_first_check_are_no_part_of_the_promise() -> None:
    pile = play(many(100), {"act": "label", "photos": [0, 1, 2], "label": 1})
    assert pile.scored.promise.pile == 97
    assert [pile.scored.targets[key] for key in pile.scored.keys[:3]] == ["dog"] * 3


def test_photos_labelled_after_it_stay_a_part_and_count_when_their_turn_comes() -> None:
    """Else labels of right photos, one by one, would leave wrong ones under a promise that was earned with them."""
    pile = play(many(100), (1, 0))
    second, third = pile.to_check()[:2]
    do(pile, {"act": "label", "photos": [pile.scored.keys.index(third)], "label": 1})
    assert pile.scored.promise == Promise(0.05, 100, 1)
    assert third not in pile.to_check()
    assert play(pile, (1, 0)).scored.promise == Promise(0.05, 100, 2, 1), f"{second} is right, and {third} is no cat"


def test_none_of_these_said_by_a_person_is_not_accepted_and_a_class_below_the_line_is() -> None:
    labels = [{"act": "label", "photos": [photo], "label": label} for photo, label in ((0, 2), (9, 1))]
    pile = play(many(10), {"act": "line", "count": 5}, *labels)
    assert pile.scored.said[pile.scored.keys[0]] == ""
    assert pile.scored.targets == {pile.scored.keys[9]: "dog"} | dict.fromkeys(pile.scored.keys[1:5], "cat")


def test_every_change_is_undone_in_turn() -> None:
    pile, states = many(50), []
    for act in ({"act": "label", "photos": [3, 4], "label": 1}, {"act": "label", "photos": [3], "label": 2}):
        states.append((pile.scored.said, pile.scored.accepted))
        do(pile, act)
    states.append((pile.scored.said, pile.scored.accepted))
    check(pile, 1, wrong=1)
    for state in reversed(states):
        do(pile, {"act": "undo"})
        assert (pile.scored.said, pile.scored.accepted) == state
    assert play(pile, {"act": "undo"}).scored.said == {}


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
    before = pile.shown({})
    do(pile, said)
    assert pile.shown({}) == before | {"heard": 2}


def test_only_photos_that_are_to_be_checked_can_be() -> None:
    pile = many(100)
    below = [pile.scored.keys.index(key) for key in pile.scored.keys if key not in pile.to_check()]
    assert play(pile, {"act": "check", "photos": below, "wrong": []}).scored.promise.checked == 0


def test_pictures_are_sent_for_numbers_that_there_are_to_who_holds_this_sorting() -> None:
    pile = put(PhotoPile(), [kept := kept_small("a.png", png(1))])
    here = pile.shown({"holds": 1, "small": [0, 1, -1, "0", None], "large": [0, 7]})
    assert here["small"] == [[0, kept.thumbnail]]
    ((number, url),) = here["large"]
    assert (number, url[:22], here["content"]) == (0, "data:image/jpeg;base64", None)
    assert pile.shown({"holds": 1, "small": {"0": 0}})["small"] == []
    other = pile.shown({"holds": 0, "small": [0]})
    assert (other["small"], other["content"]["photos"]) == ([], [("a.png", -1, 0.0)])
