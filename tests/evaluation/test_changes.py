"""What a training changed, in numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gallop.evaluation.changes import NONE, NOTICED, RIGHT, Changes
from gallop.evaluation.intervals import Proportion
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
    return SimpleNamespace(classes_=np.array(names), calibration_=Calibration(**calibration))


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
