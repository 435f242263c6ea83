"""Groups that fail, where they were made to, and where nothing was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import fisher_exact

from gallop.evaluation.failing_groups import LEAST, FailingGroups, failing_groups

N, CLASSES, WIDTH = 100, 4, 8
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(N, WIDTH)).astype(np.float32)
TRUTH = np.arange(N) % CLASSES
FACTS = RNG.uniform(size=(N, 5))
WORDS = (["one", "other"], np.eye(2, WIDTH, dtype=np.float32))


def looked(wrong: NDArray[np.intp], held: Any = None, features: NDArray[np.float32] = FEATURES) -> FailingGroups:
    """The groups that fail where these photos are answered wrongly."""
    answers = (TRUTH + np.isin(np.arange(N), wrong)) % CLASSES
    probabilities = (0.05 + 0.8 * np.eye(CLASSES)[answers]).astype(np.float32)
    return failing_groups(features, TRUTH, probabilities, FACTS, held or {}, WORDS)


def test_dark_photos_that_fail_are_found_with_their_figures() -> None:
    dark = np.argsort(FACTS[:, 0])[:20]
    found = looked(dark[:12])
    (group,) = found.found
    assert (group.name, sorted(group.photos)) == ("dark photos", sorted(dark.tolist()))
    assert {*group.photos[:12]} == {*dark[:12].tolist()}, "mistakes first"
    assert (group.accuracy.right, group.accuracy.of, group.rest.right, group.rest.of) == (8, 20, 80, 80)
    alone = fisher_exact([[12, 8], [0, 80]], "greater").pvalue
    assert group.p == pytest.approx(alone * found.looked_at), "the first of so many"


def test_photos_that_look_alike_are_found_and_named_by_the_nearest_word() -> None:
    features = FEATURES.copy()
    features[:20, 1] += 12
    group, *_ = looked(np.arange(20), features=features).found
    assert group.name.startswith("photos alike")
    assert {*group.photos} == {*range(20)}
    assert "nearer to the word other" in group.common


def test_a_class_that_fails_is_no_group_of_its_cluster() -> None:
    """Those that hold a cluster are compared with the other photos of their class."""
    mine = np.flatnonzero(TRUTH == 0)
    assert not looked(mine, {"class 0: cluster 1": (mine[:12].tolist(), mine.tolist())}).found
    (group,) = looked(mine[:12], {"class 0: cluster 1": (mine[:12].tolist(), mine.tolist())}).found
    assert group.rest.of == 13


def test_what_a_surer_group_says_already_is_left_out() -> None:
    dark, others = np.argsort(FACTS[:, 0])[:20], np.argsort(FACTS[:, 0])[20:]
    held = {
        "some of the dark": (dark[:15].tolist(), list(range(N))),
        "half of them dark": ([*dark[:10].tolist(), *others[:10].tolist()], list(range(N))),
    }
    names = [group.name for group in looked(dark, held).found]
    assert (names[0], {*held} & {*names}) == ("dark photos", {"half of them dark"})


def test_nothing_is_claimed_of_chance_nor_of_few_photos() -> None:
    draw = np.random.default_rng(1)
    assert sum(map(bool, [looked(draw.permutation(N)[:20]).found for _ in range(40)])) <= 4, "at 5 %"
    few = np.arange(LEAST - 1).tolist()
    assert not looked(np.array(few), {"few": (few, list(range(N)))}, FEATURES).found
