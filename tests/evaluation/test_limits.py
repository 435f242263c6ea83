"""What a limit does to photos, against counting by hand and the binomial formula."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pytest

from gallop.evaluation.intervals import Proportion
from gallop.evaluation.limits import REWORKED, SURE, AtLimit, at_limit, cuts, limit_of_tests
from gallop.model.calibration import Calibration, accepted_range, threshold_at_tpr


def test_outcomes_are_counted_in_photos() -> None:
    cases = ([-3.0, -2.0, -1.0], [-1.5, -0.5], -1.5), ([-3.0, -2.0], [], -2.0), ([], [-2.0], -3.0), ([], [], 0.0)
    assert [at_limit(*case) for case in cases] == [
        AtLimit(Proportion(2, 3), Proportion(1, 2)),  # one at the limit is not above it
        AtLimit(Proportion(2, 2), None),
        AtLimit(None, Proportion(1, 1)),
        AtLimit(None, None),
    ]
    assert not at_limit([], [1.0], 0.0).doubt, "where nothing is known nothing was promised"


def test_photos_look_unlike_the_shots_where_so_high_scores_are_less_likely_than_one_in_100() -> None:
    """Counting every way in which 8 of 16 ranks can be those of the asked photos; of fewer nothing."""
    sums = np.array([sum(ranks) for ranks in combinations(range(16), 8)])
    said = {}
    for asked in combinations(range(16), 8):
        limit = Calibration(threshold=99.0, held_out=tuple(sorted({*range(16)} - {*asked})))
        chance = float((sums >= sum(asked)).mean())
        if abs(chance - 0.01) < 0.008 and chance not in said:
            said[chance] = limit.unlike(asked)
    assert {chance: bool(words) for chance, words in said.items()} == {chance: chance < 0.01 for chance in said}
    assert len(said) > 2
    assert not limit.unlike(asked[1:]), "seven photos are too few"
    assert not Calibration().unlike(range(100)), "no shots were held out"
    assert limit.unlike([[99.0] * 8 + [float("nan")]], known=True), "one that is no number silences nothing"


def test_unknown_photos_do_not_make_the_others_look_unlike_the_shots() -> None:
    """They lie above the limit: only where all are said to be known do they count."""
    draw = np.random.default_rng(0).normal
    limit = Calibration.on(draw(size=300), 300)
    with_unknown = np.concatenate([draw(size=140), draw(4, size=60)])
    assert (limit.unlike(with_unknown), bool(limit.unlike(with_unknown, known=True))) == ("", True)
    assert limit.unlike(draw(0.7, size=140)), "those that are shifted do, whatever passes"
    assert sum(bool(limit.unlike(draw(size=100), known=True)) for _ in range(200)) <= 6


def test_where_hardly_any_photo_passes_it_is_said_and_of_unknown_photos_among_known_ones_it_is_not() -> None:
    draw = np.random.default_rng(1).normal
    limit = Calibration.on(draw(size=300), 300)
    drawings = np.concatenate([draw(6, size=138), [0.0, 0.1]])
    assert limit.unlike(drawings).startswith(
        "Only 2 of 140 photos pass the threshold: these photos look unlike the shots, or"
    )
    mixed = [np.concatenate([draw(size=70), draw(6, size=30)]) for _ in range(200)]
    assert sum(bool(limit.unlike(each)) for each in mixed) <= 6, "30 % are of other things"


def test_each_cut_lets_the_next_photo_pass_and_no_outcome_is_left_out() -> None:
    scores = np.random.default_rng(0).normal(size=30).astype(np.float32)
    scores[5] = scores[4]
    assert (np.diff(cuts(scores)) > 0).all()
    passing = [int((scores.astype(np.float64) <= cut).sum()) for cut in cuts(scores)]
    by_hand = sorted({0, *(int((scores <= score).sum()) for score in scores)})
    assert (passing, len(cuts([0.5]))) == (by_hand, 2)


def test_neighbours_in_single_precision_are_told_apart() -> None:
    both = np.array([-1.3, np.nextafter(np.float32(-1.3), np.float32(0))], dtype=np.float32)
    assert [at_limit(both, [], cut).accepted.right for cut in cuts(both)] == [0, 1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize(("photos", "kept"), [(7, 7), (19, 19), (20, 19), (40, 38), (41, 39)])
def test_the_limit_of_tests_is_the_strictest_that_keeps_what_is_promised(photos: int, kept: int) -> None:
    scores = np.random.default_rng(photos).normal(size=photos)
    limit = limit_of_tests(scores)
    assert at_limit(scores, [], limit).accepted.right == kept  # type: ignore[union-attr]
    assert (scores <= limit - 2 * REWORKED).sum() < 0.95 * photos
    assert (scores + REWORKED / 2 <= limit).sum() == kept, "whoever works the scores out again"


@pytest.mark.parametrize(("right", "of"), [(24, 24), (22, 24), (19, 24), (15, 24), (0, 1), (0, 2)])
def test_a_promise_is_broken_where_so_few_would_hardly_pass_by_chance(right: int, of: int) -> None:
    found = at_limit([0.0] * right + [2.0] * (of - right), [], 1.0)
    chance = sum(comb(of, k) * 0.95**k * 0.05 ** (of - k) for k in range(right + 1))
    assert (found.chance, bool(found.doubt)) == (pytest.approx(chance), chance < SURE)


@pytest.mark.parametrize("photos", [6, 19, 20, 32, 160])
def test_the_expected_range_is_where_most_limits_fall(photos: int) -> None:
    """Known photos of one kind, of which some set the limit: how many of all others it keeps, drawn over and over."""
    shots = np.random.default_rng(photos).random(
        (4000, photos)
    )  # of uniform scores the share below a limit is the limit
    kept = np.array([threshold_at_tpr(row) for row in shots])
    low, high = accepted_range(photos)
    assert (np.mean(kept < low), np.mean(kept > high)) == pytest.approx((0.025, 0.025), abs=0.01)
    found = Calibration(threshold=-1.0, photos=photos)
    assert found.expected == (low, high)
    assert f"{100 * low:.0f} to {100 * high:.0f} % are expected to pass" in found.promise
    assert f"from {photos} held-out photos" in found.promise
    for other in (Calibration(), Calibration(threshold=-1.0), Calibration(photos=30)):
        assert (other.expected, other.promise) == (None, "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": 0.0}, "temperature is"),
        ({"threshold": float("nan")}, "threshold is"),
        ({"photos": -1}, "photos is"),
        ({"photos": 1.5}, "photos is"),
        ({"right": 5, "asked": 4}, "right is 5; it must be between 0 and 4"),
        ({"asked": -1}, "asked is"),
        ({"tpr": 2}, "tpr is"),
        ({"tpr": "x"}, "tpr is"),
        ({"held_out": [float("nan")]}, "score of a held-out photo is not a finite number"),
        ({"held_out": ["1"]}, "score of a held-out photo is not a finite number"),
    ],
)
def test_a_calibration_that_makes_no_sense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Calibration(**wrong)
