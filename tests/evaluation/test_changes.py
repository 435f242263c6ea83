"""What a training changed, in numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gallop.evaluation.changes import NONE, NOTICED, RIGHT, TESTED, Changes, Flips
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.measure import Evaluation
from gallop.evaluation.scored_answers import ENSEMBLE, ScoredAnswers
from gallop.model.calibration import Calibration


def figures(**counts: tuple[int, int]) -> dict[str, Proportion]:
    named = {"right": RIGHT, "none": NONE, "noticed": NOTICED}
    return {named[what]: Proportion(*count) for what, count in counts.items()}


def test_what_fell_comes_first_and_the_other_figures_after_it() -> None:
    """One photo learned, and no unknown photo is noticed any more: 9 of 9, that is 9 photos of the 9."""
    changes = Changes(
        figures(right=(30, 32), none=(1, 32), noticed=(9, 9)), figures(right=(32, 33), none=(1, 33), noticed=(0, 9))
    )
    assert changes.fell == {NOTICED: 9}
    assert changes.words == (
        "Worse than the run before: unknown photos noticed, 9 of 9 -> 0 of 9. Otherwise: "
        "held-out shots right, 30 of 32 -> 32 of 33; held-out shots called none of these, 1 of 32 -> 1 of 33."
    )


def test_where_nothing_fell_all_figures_are_told_and_what_is_not_known_is_said() -> None:
    changes = Changes(figures(noticed=(8, 9)), figures(right=(23, 24), noticed=(9, 9)), "my-model")
    assert (changes.fell, changes.words) == (
        {},
        "Against my-model: held-out shots right, not known -> 23 of 24; unknown photos noticed, 8 of 9 -> 9 of 9.",
    )
    assert Changes({}, {}).words == "Against the run before: nothing is known to compare."


@pytest.mark.parametrize(
    ("what", "before", "after", "photos"),
    [
        ("right", (24, 24), (23, 24), 1),
        ("right", (24, 24), (31, 32), 0.75),  # 1/32 of 24
        ("right", (45, 49), (46, 49), 0),
        ("right", (3, 4), (30, 40), 0),
        ("none", (1, 40), (3, 40), 2),
        ("none", (3, 40), (1, 40), 0),
        ("none", (0, 19), (1, 20), 0.95),  # as 95 % of either are let pass
    ],
)
def test_a_fall_is_counted_in_photos_of_the_smaller_set(
    what: str, before: tuple[int, int], after: tuple[int, int], photos: float
) -> None:
    fell = Changes(figures(**{what: before}), figures(**{what: after})).fell
    assert list(fell.values()) == [photos] * bool(photos)


def model(*names: str, **calibration: Any) -> Any:
    return SimpleNamespace(classes_=np.array(names), calibration_=Calibration(**calibration), evaluation=None)


def answers(labels: list[int], scores: list[float]) -> ScoredAnswers:
    return ScoredAnswers({ENSEMBLE: np.array(labels)}, np.ones(len(labels)), {"GL-MCM": np.array(scores)})  # type: ignore[arg-type]


def test_the_figures_are_those_that_the_calibrations_know_and_of_unknown_photos_each_is_asked() -> None:
    held_out: Any = {"threshold": -0.5, "held_out": (-0.9, -0.8, -0.5, -0.4), "right": 3, "asked": 4}
    before, after = model("cat", "dog", **held_out), model("cat", "dog", threshold=-0.7)
    scored = {id(before): [-0.9, -0.4, -0.3], id(after): [-0.9, -0.7, -0.6]}
    found = Changes.between(before, after, lambda each: {"other": answers([0, 1, 1], scored[id(each)])})
    assert found.before == {
        RIGHT: Proportion(3, 4),
        NONE: Proportion(1, 4),  # a score at the threshold is not above it
        f"{NOTICED} (other)": Proportion(2, 3),
    }
    assert (found.after, found.than) == ({f"{NOTICED} (other)": Proportion(1, 3)}, "the run before")


def test_other_classes_are_said() -> None:
    found = Changes.between(model("cat", "dog"), model("cat", "dog", "hen"), lambda _: {}, "pets")
    assert found.than == "pets, which has other classes"
    assert Changes.between(model("cat", "dog"), model("dog", "cat"), lambda _: {}, "pets").than == "pets"


@pytest.mark.parametrize(
    ("names", "noticed"), [(("cat", "dog"), 0), (("cat", "something else"), 2)], ids=["no threshold", "one class"]
)
def test_without_a_threshold_only_something_else_is_noticed(names: tuple[str, str], noticed: int) -> None:
    found = Changes.between(model(*names), model(*names), lambda _: {"": answers([0, 1, 1], [-0.1, -0.2, -0.3])})
    assert found.after == {NOTICED: Proportion(noticed, 3)}


def test_single_photos_tell_what_flipped_and_one_that_became_a_shot_counts_for_neither() -> None:
    then, now = model("cat", "dog", right=2, asked=3), model("cat", "dog", right=2, asked=4)
    for each, right in (
        (then, {"a": True, "b": False, "c": True}),
        (now, {"a": True, "b": True, "c": False, "d": False}),
    ):
        truth = np.array([int(one) for one in right.values()])
        each.evaluation = SimpleNamespace(hashes=tuple(right), predicted=np.ones(len(truth)), truth=truth)
    tests = {id(then): {"d": True, "e": True, "f": False}, id(now): {"e": False, "f": False}}
    found = Changes.between(then, now, lambda _: {}, tested=lambda each: tests[id(each)])
    assert found.flips == {RIGHT: Flips(("b",), ("c",)), TESTED: Flips((), ("e",))}
    assert (found.before[TESTED], found.after[TESTED]) == (Proportion(1, 2), Proportion(0, 2))
    assert found.words == (
        "Worse than the run before: test photos right, 1 of 2 -> 0 of 2 (now right 0, now wrong 1). Otherwise: "
        "held-out shots right, 2 of 3 -> 2 of 3 (now right 1, now wrong 1)."
    )


@pytest.mark.parametrize(
    ("wrong", "right", "fall"), [(5, 0, False), (6, 0, True), (8, 1, True), (7, 1, False), (0, 6, False)]
)
def test_a_fall_of_single_photos_is_one_beyond_the_sign_test_at_5_percent(wrong: int, right: int, fall: bool) -> None:
    """All of n are equally wrong or right by chance in 2 of 2 ** n cases: of 6 in 3 %; of 9 all but one in 4 %."""
    keys = list(map(str, range(wrong + right)))
    then, now = ({key: (i < wrong) == first for i, key in enumerate(keys)} for first in (True, False))
    assert Changes.of({TESTED: then}, {TESTED: now}, "it").is_fall is fall


@pytest.mark.parametrize(("left", "fall"), [(9, False), (7, False), (6, True), (0, True)])
def test_a_third_of_the_unknown_photos_that_were_noticed_is_a_fall(left: int, fall: bool) -> None:
    assert Changes(figures(noticed=(9, 9)), figures(noticed=(left, 9))).is_fall is fall


def test_where_single_photos_are_not_known_a_fall_is_more_than_one() -> None:
    assert not Changes(figures(right=(24, 24)), figures(right=(23, 24))).is_fall
    assert Changes(figures(right=(24, 24)), figures(right=(22, 24))).is_fall


def test_two_evaluations_of_the_same_photos_are_compared_photo_by_photo() -> None:
    def evaluated(labels: list[int], noticed: list[bool]) -> Evaluation:
        others = answers([0] * len(noticed), [0.0] * len(noticed))
        others = ScoredAnswers(others.predicted, others.confidence, others.ood, np.array(noticed))
        return Evaluation(("cat", "dog"), np.array([0, 1, 1]), answers(labels, [0, 0, 0]), {"other": others})

    before, after = evaluated([0, 0, 1], [True, True]), evaluated([1, 1, 1], [True, False])
    found = after.changes(before)
    assert found.flips == {TESTED: Flips(("1",), ("0",)), f"{NOTICED} (other)": Flips((), ("1",))}
    assert (found.before[TESTED], found.after[TESTED], found.than) == (Proportion(2, 3),) * 2 + ("the model before",)
    other = Evaluation(("dog", "cat"), before.truth, before.answers)
    with pytest.raises(ValueError, match="evaluate both models on the same labelled photos"):
        after.changes(other)
