"""Which photo to label next, beside the rules written out one photo at a time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gallop.predictions.next_to_label import UNCERTAIN, UNLIKE, next_to_label


def things(seed: int, count: int = 9, classes: int = 4, labelled: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(classes), count)
    return shares, rng.normal(size=(count, 5)), rng.normal(size=(labelled, 5))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


@pytest.mark.parametrize("seed", range(5))
def test_each_turn_takes_what_its_rule_says_of_those_that_are_left(seed: int) -> None:
    shares, features, labelled = things(seed)
    found = next_to_label(shares, features, labelled, 6)
    assert [asked.why for asked in found] == [UNCERTAIN, UNLIKE] * 3
    spoken = list(labelled)
    left = set(range(len(shares)))
    for asked in found:
        margins, distances = {}, {}
        for i in left:
            first, second = sorted(shares[i])[::-1][:2]
            margins[i] = first - second
            distances[i] = min(1 - cosine(features[i], other) for other in spoken)
        rule = min(left, key=margins.__getitem__) if asked.why == UNCERTAIN else max(left, key=distances.__getitem__)
        assert asked.photo == rule
        assert asked.margin == pytest.approx(margins[rule])
        assert asked.distance == pytest.approx(distances[rule])
        assert (shares[rule].argmax(), np.argsort(shares[rule])[-2]) == (asked.best, asked.second)
        left.remove(rule)
        spoken.append(features[rule])


@pytest.mark.parametrize("seed", range(8))
def test_the_far_ones_leave_nobody_twice_as_far_as_the_best_choice_would(seed: int) -> None:
    """What is proved of k-center greedy (Gonzalez, 1985), with the angle's chord as a distance: it is a metric."""
    _, features, labelled = things(seed, labelled=1)
    shares = np.tile([0.9, 0.1], (len(features), 1))  # all as sure: the first rule takes them by their order
    found = next_to_label(shares, features, labelled, 4)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    start = labelled / np.linalg.norm(labelled, axis=1, keepdims=True)

    def radius(chosen: tuple[int, ...]) -> float:
        centres = np.concatenate([start, unit[list(chosen)]])
        return float(np.sqrt(np.maximum(2 - 2 * unit @ centres.T, 0)).min(axis=1).max())

    far = [asked.photo for asked in found if asked.why == UNLIKE]
    best = min(radius(chosen) for chosen in combinations(range(len(unit)), len(far)))
    assert radius(tuple(asked.photo for asked in found)) <= 2 * best + 1e-9


def test_each_photo_is_asked_for_once_and_the_length_of_features_says_nothing() -> None:
    shares, features, labelled = things(0)
    found = next_to_label(shares, features, labelled, 100)
    assert sorted(asked.photo for asked in found) == list(range(len(shares)))
    scaled = next_to_label(shares, 7 * features, 0.1 * labelled, 100)
    assert [asked.photo for asked in scaled] == [asked.photo for asked in found]


def test_without_any_label_one_class_or_no_photo_it_still_answers() -> None:
    shares, features, _ = things(1)
    found = next_to_label(shares, features, np.zeros((0, 5)), 2)
    assert found[0].distance == 1.0
    (only,) = next_to_label(np.ones((1, 1)), features[:1], features[1:2])
    assert (only.best, only.second, only.margin) == (0, 0, 0.0)
    assert next_to_label(np.zeros((0, 3)), np.zeros((0, 5)), features) == []
    with pytest.raises(ValueError, match="9 photos and features of 8"):
        next_to_label(shares, features[:8], features)
