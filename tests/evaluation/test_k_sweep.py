"""Accuracy at every k, against the model's own answers at that k."""

from __future__ import annotations

from typing import Any

import torch

from gallop.evaluation.k_sweep import better_k, sweep_k
from gallop.model.answers import Rule, answers
from gallop.model.similarities import Similarities
from tests.evaluation.test_diversity import made

DRAWN = torch.Generator().manual_seed(1)
REGIONS = torch.randn(40, 12, 3, 3, generator=DRAWN)
FOUND = made(0.3 * torch.randn(40, 3, 2, generator=DRAWN), REGIONS)
TRUTH = torch.randint(3, (40,), generator=DRAWN).tolist()


def right(found: Similarities, topk: Any, truth: Any) -> int:
    return int((answers(found, Rule(topk)).scores.argmax(dim=-1) == torch.as_tensor(truth)).sum())


def test_each_point_is_what_the_model_itself_answers() -> None:
    sweep = sweep_k(FOUND, (2, 5, 99), TRUTH)
    assert sweep.photos == 40
    every = range(1, 13)
    assert sweep.together.tolist() == [right(FOUND, (k, k, k), TRUTH) for k in every]
    others = ([(k, 5, 99) for k in every], [(2, k, 99) for k in every], [(2, 5, k) for k in every])
    assert sweep.each.tolist() == [[right(FOUND, topk, TRUTH) for topk in row] for row in others]
    assert len(set(sweep.each.ravel().tolist())) > 3, "k does matter here"


def test_better_k_are_never_worse_and_no_single_scale_can_better_them() -> None:
    topk, count = better_k(FOUND, (2, 5, 9), TRUTH)
    assert count == right(FOUND, topk, TRUTH) > right(FOUND, (2, 5, 9), TRUTH)
    assert (sweep_k(FOUND, topk, TRUTH).each.max(), better_k(FOUND, topk, TRUTH)) == (count, (topk, count))


def test_of_several_better_k_the_nearest_is_taken() -> None:
    regions = torch.zeros(1, 6, 2, 1)
    regions[0, :, 1, 0] = torch.tensor([1.0, 1, 1, 1, 1, -9])  # wrong by the mean of all six alone
    assert better_k(made(torch.zeros(1, 2, 1), regions), (6,), [1]) == ((5,), 1)


def test_where_every_k_is_as_good_those_that_stand_stay() -> None:
    regions = torch.zeros(4, 6, 2, 2)
    regions[:, :, 1] = 1.0
    found = made(torch.zeros(4, 2, 1), regions)
    assert better_k(found, (3, 5), [1, 1, 1, 1]) == ((3, 5), 4)
    assert (sweep_k(found, (3, 5), [1, 1, 1, 0]).together == 3).all()
