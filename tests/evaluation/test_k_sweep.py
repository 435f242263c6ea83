"""Accuracy at every k, against the model's own answers at that k."""

from __future__ import annotations

from typing import Any

import torch

from gallop.evaluation.k_sweep import better_k, sweep_k
from gallop.model.similarities import Look, Similarities


def made(whole: torch.Tensor, regions: torch.Tensor) -> Similarities:
    return Similarities((Look(whole, regions, regions.mean(dim=-1)),))


def random(b: int = 40, r: int = 12, k: int = 3, m: int = 2, n: int = 3) -> tuple[Similarities, list[int]]:
    generator = torch.Generator().manual_seed(1)
    regions = torch.randn(b, r, k, n, generator=generator)
    whole = 0.3 * torch.randn(b, k, m, generator=generator)
    return made(whole, regions), torch.randint(k, (b,), generator=generator).tolist()


def right(found: Similarities, topk: Any, truth: Any) -> int:
    return int((found.logits(topk).argmax(dim=-1) == torch.as_tensor(truth)).sum())


def test_each_point_is_what_the_model_itself_answers() -> None:
    found, truth = random()
    sweep = sweep_k(found, (2, 5, 99), truth)
    assert (sweep.each.shape, sweep.together.shape, sweep.photos) == ((3, 12), (12,), 40)
    for k in range(1, 13):
        assert sweep.together[k - 1] == right(found, (k, k, k), truth)
        for n in range(3):
            topk = [2, 5, 99]
            topk[n] = k
            assert sweep.each[n, k - 1] == right(found, topk, truth)
    assert len(set(sweep.each.ravel().tolist())) > 3, "k does matter here"


def test_better_k_are_never_worse_and_no_single_scale_can_better_them() -> None:
    found, truth = random()
    topk, count = better_k(found, (2, 5, 9), truth)
    assert count == right(found, topk, truth) > right(found, (2, 5, 9), truth)
    assert (sweep_k(found, topk, truth).each.max(), better_k(found, topk, truth)) == (count, (topk, count))


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
