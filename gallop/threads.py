"""Independent parts of a small computation, each on a thread of its own (on a CPU).

Torch spreads every single operation over its threads, and they wait for each other after each of them. A training step
has hundreds of small ones: waking a thread takes as long as some of them, and where another program holds a core, each
waits for it. Here a thread goes through its part from the first operation to the last, and threads meet once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """What the function gives for every item, in order: on as many threads as items, or here where there is one.

    They have torch's settings of this thread (gradients, inference mode, autocast) and share its number of threads.
    """
    if len(items) <= 1:
        return [function(item) for item in items]
    settings = _settings()

    def run(item: Item) -> Result:
        with settings():
            return function(item)

    return list(_pool(len(items), max(torch.get_num_threads() // len(items), 1)).map(run, items))


def in_parts(function: Callable[[Tensor], Tensor], whole: Tensor, parts: int, *, dim: int) -> Tensor:
    """``function(whole)`` of a tensor (n, ...) whose rows are independent, from so many parts of it, at most n.

    Gradients reach ``whole``, and nothing else that the function reads.

    Args:
        dim: where n is in what the function gives.
    """
    if parts == 1:
        return function(whole)
    return cast(Tensor, _InParts.apply(function, whole, parts, dim))  # type: ignore[no-untyped-call]


class _InParts(torch.autograd.Function):
    """Each part keeps a graph of its own, so that its way back is a thread's too; it is gone once."""

    @staticmethod
    def forward(ctx: Any, function: Callable[[Tensor], Tensor], whole: Tensor, parts: int, dim: int) -> Tensor:
        inputs = [part.detach().requires_grad_() for part in whole.tensor_split(parts)]
        with torch.enable_grad():
            outputs = each(function, inputs)
        ctx.parts, ctx.dim = list(zip(outputs, inputs, strict=True)), dim
        return torch.cat([output.detach() for output in outputs], dim)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        gradients = torch.split(gradient, [output.shape[ctx.dim] for output, _ in ctx.parts], ctx.dim)

        def back(part: int) -> Tensor:
            output, input_ = ctx.parts[part]
            found: tuple[Tensor, ...] = torch.autograd.grad(output, input_, gradients[part])
            return found[0]

        return None, torch.cat(each(back, range(len(gradients)))), None, None


def _settings() -> Callable[[], AbstractContextManager[None]]:
    """Torch's settings of this thread, to be entered in those that work for it."""
    inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    @contextmanager
    def enter() -> Iterator[None]:
        with torch.inference_mode(inference), torch.set_grad_enabled(grad), torch.autocast("cpu", dtype, autocast):
            yield

    return enter


@cache
def _pool(count: int, share: int) -> ThreadPoolExecutor:
    """So many threads, each with so many of torch's own."""
    started = threading.Barrier(count)

    def start() -> None:
        torch.get_num_threads()  # the first call in a thread sets the usual number, so it must come before
        torch.set_num_threads(share)
        started.wait()

    usual = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "gallop", start)
    wait([pool.submit(threading.get_ident) for _ in range(count)])
    torch.set_num_threads(usual)  # what one thread sets for itself is also what threads to come begin with
    return pool
