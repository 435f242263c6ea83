"""Parts of a computation on threads of their own: the same results, and torch's settings as they were."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from gallop.runtime import threads
from tests.reference import torch_threads


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


def test_an_error_reaches_who_called_when_all_parts_are_done() -> None:
    failed, ended = threading.Event(), threading.Event()

    def part(item: int) -> None:
        if item:
            failed.wait(timeout=30)
            ended.set()
            return
        failed.set()
        raise ValueError("the first part")

    with pytest.raises(ValueError, match="the first part"):
        threads.each(part, range(2))
    assert ended.is_set()
    assert threads.each(abs, [-1, 1]) == [1, 1]


def test_parts_of_parts_stay_on_their_thread() -> None:
    def twice(item: int) -> bool:
        return threads.each(lambda _: threading.get_ident(), range(2)) == [threading.get_ident()] * 2

    with torch_threads(2):
        assert threads.each(twice, range(2)) == [True, True]


def refuse(_: object, *__: object) -> None:
    raise RuntimeError("can't start new thread")


def test_where_no_thread_can_be_had_everything_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the process a pool takes no more, and a container may allow no more threads."""
    threads.each(abs, range(2))
    with monkeypatch.context() as patched:
        patched.setattr("concurrent.futures.ThreadPoolExecutor.submit", refuse)
        assert threads.each(lambda item: (item, threading.get_ident()), range(2)) == [
            (item, threading.get_ident()) for item in range(2)
        ]
    starts: list[threading.Thread] = []

    def start_one(thread: threading.Thread) -> None:
        starts.append(thread)
        refuse(thread) if len(starts) > 1 else start(thread)

    start = threading.Thread.start
    with torch_threads(5):
        with monkeypatch.context() as patched:
            patched.setattr("threading.Thread.start", start_one)
            assert threads.each(lambda item: (item, threading.get_ident()), range(4)) == [
                (item, threading.get_ident()) for item in range(4)
            ]
        assert torch.get_num_threads() == 5
        starts[0].join(timeout=30)
        assert not starts[0].is_alive()  # it does not wait for those that never came
        met = threading.Barrier(4)
        assert sorted(threads.each(lambda _: met.wait(timeout=30), range(4))) == [0, 1, 2, 3]  # now all four are there


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


def test_a_gradient_in_parts_is_taken_once() -> None:
    whole = torch.randn(4, 3, requires_grad=True)
    result = threads.in_parts(torch.tanh, whole, 2, dim=0).sum()
    result.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="can be taken once"):
        result.backward()  # type: ignore[no-untyped-call]


def test_without_gradients_parts_build_no_graph() -> None:
    whole = torch.randn(4, 3, requires_grad=True)
    graphs: list[bool] = []

    def function(x: Tensor) -> Tensor:
        result = torch.tanh(x)
        graphs.append(result.requires_grad)
        return result

    with torch.no_grad():
        assert torch.equal(threads.in_parts(function, whole, 2, dim=0), torch.tanh(whole))
    threads.in_parts(function, whole.detach(), 2, dim=0)
    assert graphs == [False] * 4


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
