"""The region branch: cosines, their pooling and its gradients against the plain formula, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gallop.core import cosines as core_cosines
from gallop.core import fast
from gallop.model import on_threads
from tests.reference import relative_error, torch_threads


def plain_cosines(regions: Tensor, projection: Tensor, text: Tensor, damping: float = 0.0) -> Tensor:
    """(B, R, K, N), as the paper writes it: every region projected, everything normalised, autograd for the rest.

    Damping is the least that is divided by.
    """
    joint = regions.double() @ projection
    lengths = joint.square().sum(dim=-1, keepdim=True).sqrt()
    joint = joint / torch.where(lengths > damping, lengths, max(damping, 1e-12))
    return torch.einsum("brd,knd->brkn", joint, torch.nn.functional.normalize(text, dim=-1))


def plain_topk(cosines: Tensor, topk: Sequence[int]) -> Tensor:
    """(B, K, N): each prompt's k largest, sorted out one prompt at a time."""
    ordered = cosines.sort(dim=1, descending=True).values
    return torch.stack([ordered[:, :k, :, n].mean(dim=1) for n, k in enumerate(topk)], dim=-1)


@settings(max_examples=50)
@given(
    images=st.integers(1, 5),
    count=st.integers(1, 20),
    classes=st.integers(1, 4),
    topk=st.lists(st.integers(1, 25), min_size=1, max_size=3),
    width=st.integers(2, 9),
    joint=st.integers(2, 9),
    at_once=st.sampled_from([1, 30, 2048]),
    block=st.sampled_from([1, 200, 2**22]),
    gathered=st.sampled_from([0, 3, 100]),
    half=st.booleans(),
    damping=st.sampled_from([0.0, 0.5, 4.0, 30.0]),
    threads=st.sampled_from([1, 2, 8]),
    seed=st.integers(0, 2**20),
)
def test_pooled_cosines_and_gradients_equal_the_plain_formula(
    images: int,
    count: int,
    classes: int,
    topk: list[int],
    width: int,
    joint: int,
    at_once: int,
    block: int,
    gathered: int,
    half: bool,
    damping: float,
    threads: int,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    regions = torch.randn(images, count, width)
    regions = regions.half() if half else regions
    projection = torch.randn(width, joint, requires_grad=True)
    text = torch.randn(classes, len(topk), joint, requires_grad=True)
    weights = torch.randn(images, classes, len(topk))
    with mock.patch.object(fast, "REGIONS_AT_ONCE", at_once), torch_threads(threads):
        with torch.no_grad():
            cosines = fast.region_cosines(regions, projection, text, damping, on_threads.HERE)
        pooled = core_cosines.topk_mean(fast.region_cosines(regions, projection, text, damping, on_threads.HERE), topk)
        found = torch.autograd.grad((pooled * weights).sum(), [projection, text])
        with mock.patch.multiple(fast, BYTES_AT_ONCE=block, GATHERED=gathered):
            without = fast.pooled_cosines(regions, projection, text, topk, damping, on_threads.HERE)
            step = torch.autograd.grad((without * weights).sum(), [projection, text])
    exact = [projection.detach().double().requires_grad_(), text.detach().double().requires_grad_()]
    plain = plain_cosines(regions, exact[0], exact[1], damping)
    wanted_pooled = plain_topk(plain, topk)
    wanted = torch.autograd.grad((wanted_pooled * weights).sum(), exact)
    assert relative_error(cosines.detach(), plain.detach()) < 1e-5
    # A mean of cosines may be near zero where they are not, and a region's projection may be shorter than what it is a
    # sum of: these are what rounding is relative to.
    lengths = (regions.double() @ exact[0]).norm(dim=-1).clamp_min(damping)
    most = float((regions.double().norm(dim=-1) * exact[0].norm() / lengths).max())
    assert float((pooled - wanted_pooled).detach().abs().max()) < 3e-7 * most
    assert float((without - wanted_pooled).detach().abs().max()) < 3e-7 * most
    for ours, theirs in zip([*found, *step], [*wanted, *wanted], strict=True):
        assert float((ours - theirs).norm()) < 1e-5 * (1 + float(theirs.norm()))


@pytest.mark.parametrize("damping", [0.0, 3.0])
def test_an_images_cosine_is_that_of_a_region(damping: float) -> None:
    torch.manual_seed(0)
    images, text = torch.randn(3, 5), torch.randn(4, 2, 5)
    wanted = plain_cosines(images[:, None], torch.eye(5).double(), text.double(), damping)[:, 0]
    assert relative_error(core_cosines.global_cosines(images, text, damping), wanted) < 1e-6


def test_a_region_of_zeros_has_cosine_zero_and_a_finite_gradient() -> None:
    regions = torch.randn(1, 3, 4)
    regions[0, 1] = 0
    projection, text = torch.eye(4, requires_grad=True), torch.randn(2, 1, 4, requires_grad=True)
    cosines = fast.region_cosines(regions, projection, text)
    assert (cosines[0, 1] == 0).all()
    (usual,) = torch.autograd.grad(core_cosines.topk_mean(cosines, (3,)).sum(), projection)
    assert torch.isfinite(usual).all()
    (found,) = torch.autograd.grad(fast.pooled_cosines(regions, projection, text, (3,)).sum(), projection)
    torch.testing.assert_close(found, usual)


def test_of_equal_cosines_k_are_taken_and_no_more() -> None:
    """All regions are one: whichever are chosen, the mean and its gradient are that region's."""
    torch.manual_seed(0)
    regions, projection = torch.randn(1, 1, 4).expand(2, 9, 4).clone(), torch.randn(4, 4, requires_grad=True)
    text = torch.randn(3, 2, 4, requires_grad=True)
    found, wanted = (
        torch.autograd.grad(fast.pooled_cosines(some, projection, text, (2, 5)).sum(), [projection, text])
        for some in (regions, regions[:, :1])
    )
    torch.testing.assert_close(found, wanted)


@given(
    rows=st.integers(1, 6),
    count=st.integers(1, 40),
    k=st.integers(1, 40),
    values=st.sampled_from([2, 30, 10**6]),
    most=st.sampled_from([0, 20, 512]),
    strange=st.lists(st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0]), max_size=5),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    seed=st.integers(0, 2**20),
)
def test_the_k_largest_are_those_of_a_sorting_whatever_is_equal_or_no_number(
    rows: int, count: int, k: int, values: int, most: int, strange: list[float], dtype: torch.dtype, seed: int
) -> None:
    draw, k = torch.Generator().manual_seed(seed), min(k, count)
    cosines = torch.randint(values, (rows, count), generator=draw).to(dtype)
    for value in strange:
        cosines.view(-1)[int(torch.randint(rows * count, (), generator=draw))] = value
    with mock.patch.object(on_threads, "SORTED", most):
        best, which = on_threads.k_largest(cosines.view(rows, 1, count), k)
    assert best.shape == which.shape == (rows, 1, k)
    assert torch.equal(best.nan_to_num(7e9), cosines.view(rows, 1, count).gather(-1, which).nan_to_num(7e9))
    assert all(len(set(row)) == k for row in which.flatten(0, 1).tolist())
    wanted = cosines.sort(dim=-1, descending=True).values[:, :k]  # what is no number counts as the largest
    assert torch.equal(best.view(rows, k).sort(descending=True).values.nan_to_num(7e9), wanted.nan_to_num(7e9))


def operations(
    regions: Tensor, projection: Tensor, text: Tensor, topk: Sequence[int], damping: float = 0.0
) -> tuple[int, int]:
    """Products of the forward and of the backward pass; regions that are gathered are none."""
    with FlopCounterMode(display=False) as forward:
        pooled = fast.pooled_cosines(regions, projection, text, topk, damping)
    with FlopCounterMode(display=False) as backward:
        pooled.sum().backward()  # type: ignore[no-untyped-call]
    return forward.get_total_flops(), backward.get_total_flops()


@pytest.mark.parametrize("k", [1, 3])
def test_regions_that_no_topk_chose_cost_nothing_on_the_way_back(k: int) -> None:
    torch.manual_seed(0)
    images, count, width, classes = 4, 50, 16, 2
    regions = torch.randn(images, count, width)
    projection = torch.eye(width, requires_grad=True)
    forward, backward = operations(regions, projection, torch.randn(classes, 1, width, requires_grad=True), (k,))
    assert forward == 2 * images * count * width * (width + classes)
    fixed = 2 * width**2 * 2 * classes  # what does not depend on the regions
    most = 2 * images * classes * k * width**2  # each class chooses k regions of its own at most
    assert fixed < backward <= fixed + most
    assert most < forward / 5


def test_a_projection_that_is_not_learned_costs_no_gradient_and_changes_no_other() -> None:
    torch.manual_seed(0)
    regions, projection, start = torch.randn(4, 50, 16), torch.randn(16, 16), torch.randn(2, 1, 16)
    gradients, costs = [], []
    for learns in (True, False):
        text = start.clone().requires_grad_()
        costs.append(operations(regions, projection.clone().requires_grad_(learns), text, (3,))[1])
        gradients.append(text.grad)
    assert costs[1] == 2 * 2 * 16 * 16 < costs[0]  # the texts' own gradient, P A, and nothing else
    assert torch.equal(*gradients)


def test_the_stretch_of_a_matrix_is_not_below_its_largest_singular_value() -> None:
    torch.manual_seed(0)
    for matrix in (torch.eye(7), torch.randn(5, 9), torch.randn(9, 1), 1e6 * torch.randn(4, 4), 1e-6 * torch.eye(3)):
        largest = float(torch.linalg.matrix_norm(matrix, 2))
        assert largest <= fast.most_stretch(matrix) <= 1.002 * largest * min(matrix.shape) ** 0.25
