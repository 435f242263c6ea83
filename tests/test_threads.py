"""Parts of a computation on threads of their own: the same results, torch's settings, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from gallop import threads


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """With so many of torch's threads, whatever the machine has."""
    usual = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def test_items_are_answered_in_order_each_on_a_thread_of_its_own() -> None:
    met = threading.Barrier(3)  # passes only where all three run at the same time

    def square(item: int) -> tuple[int, int]:
        met.wait(timeout=30)
        return item**2, threading.get_ident()

    answers, idents = zip(*threads.each(square, [3, 1, 2]), strict=True)
    assert answers == (9, 1, 4)
    assert len({*idents, threading.get_ident()}) == 4


def test_a_single_item_stays_in_this_thread() -> None:
    assert threads.each(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]
    assert threads.each(lambda _: 1, []) == []


@pytest.mark.parametrize(("count", "items", "share"), [(8, 2, 4), (8, 3, 2), (2, 3, 1), (1, 2, 1)])
def test_threads_share_torchs_and_those_to_come_find_the_usual_number(count: int, items: int, share: int) -> None:
    with torch_threads(count):
        for _ in range(2):  # new threads, and the same again
            assert threads.each(lambda _: torch.get_num_threads(), range(items)) == [share] * items
        found: list[int] = []
        later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert found == [count] == [torch.get_num_threads()]


def settings(_: int) -> tuple[bool, bool, bool, torch.dtype]:
    autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), autocast, dtype


def test_threads_have_the_settings_of_who_calls_them() -> None:
    for entered in (
        torch.enable_grad(),
        torch.no_grad(),
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16),
        torch.autocast("cpu", torch.float16),
    ):
        with entered:
            assert threads.each(settings, range(2)) == [settings(0)] * 2


def test_an_error_reaches_who_called_and_the_threads_work_on() -> None:
    def fail(item: int) -> int:
        if item:
            raise ValueError("the second part")
        return item

    with pytest.raises(ValueError, match="the second part"):
        threads.each(fail, range(2))
    assert threads.each(abs, [-1, 1]) == [1, 1]


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_parts_give_the_whole_and_its_gradient(parts: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 3)
    whole = torch.randn(5, 4, requires_grad=True)

    def function(x: Tensor) -> Tensor:
        return torch.tanh(x @ weight).T  # rows of x are columns here

    found, wanted = threads.in_parts(function, whole, parts, dim=1), function(whole)
    assert torch.allclose(found, wanted, atol=1e-6)
    weights = torch.randn(3, 5)
    gradients = [torch.autograd.grad((result * weights).sum(), whole)[0] for result in (found, wanted)]
    assert torch.allclose(*gradients, atol=1e-6)


def test_a_part_that_computes_again_does_so_on_the_way_back() -> None:
    from torch.utils.checkpoint import checkpoint

    whole = torch.randn(4, 3, requires_grad=True)
    called: list[int] = []

    def cube(x: Tensor) -> Tensor:
        called.append(len(x))
        return x**3

    result = threads.in_parts(lambda x: checkpoint(cube, x, use_reentrant=False), whole, 2, dim=0)
    assert called == [2, 2]
    result.sum().backward()  # type: ignore[no-untyped-call]
    assert called == [2] * 4
    assert torch.allclose(whole.grad, 3 * whole.detach() ** 2)
