"""Run independent parts of a small computation, each on a separate thread (on a CPU).

Torch spreads every single operation over its threads, and they wait for each other after each of them. A training step
has hundreds of small ones: waking a thread takes as long as some of them, and where another program holds a core, each
waits for it. Here a thread goes through its part from the first operation to the last, and threads meet once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Item = TypeVar("Item")
Result = TypeVar("Result")

_making = threading.Lock()
_here = threading.local()


def threads_to_share(device: torch.device) -> int:
    """Return how many threads can share work on a device: those of torch on the CPU, one elsewhere."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def each(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what the function gives for every item, in order, once all are done: each item on a separate thread.

    The threads have torch's settings of this one (gradients, inference mode, autocast) and share its number of threads.
    A single item stays here, and so does everything where no thread can start and on these threads themselves.
    """
    futures: list[Future[Result]] = []
    if len(items) > 1 and not hasattr(_here, "worker"):
        inference, grad = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

        def run(item: Item) -> Result:
            with torch.inference_mode(inference), torch.set_grad_enabled(grad), torch.autocast("cpu", dtype, autocast):
                return function(item)

        with suppress(RuntimeError):  # the process is ending, or may not start any more threads
            with _making:
                pool = _pool(len(items), max(torch.get_num_threads() // len(items), 1))
            for item in items:
                futures.append(pool.submit(run, item))
    rest = [function(item) for item in items[len(futures) :]]
    wait(futures)
    return [future.result() for future in futures] + rest


def in_parts(function: Callable[[Tensor], Tensor], rows: Tensor, parts: int, *, dim: int) -> Tensor:
    """Return ``function(rows)`` of a tensor (n, ...) whose rows are independent, from so many parts of it, n at most.

    Gradients reach ``rows``, and nothing else that the function reads. In more than one part they can be taken once.

    Args:
        dim: where n is in what the function gives.
    """
    if parts == 1:
        return function(rows)
    if torch.is_grad_enabled() and rows.requires_grad:
        return cast(Tensor, _InParts.apply(function, rows, parts, dim))  # type: ignore[no-untyped-call, unused-ignore]
    return torch.cat(each(function, rows.tensor_split(parts)), dim)


class _InParts(torch.autograd.Function):
    """Each part has a separate graph, so that its backward pass runs on one thread too."""

    @staticmethod
    def forward(ctx: Any, function: Callable[[Tensor], Tensor], rows: Tensor, parts: int, dim: int) -> Tensor:
        inputs = [part.detach().requires_grad_() for part in rows.tensor_split(parts)]
        with torch.enable_grad():
            outputs = each(function, inputs)
        ctx.parts, ctx.dim = list(zip(outputs, inputs, strict=True)), dim
        return torch.cat([output.detach() for output in outputs], dim)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        parts, ctx.parts = ctx.parts, None
        if parts is None:
            raise RuntimeError(
                "The gradient of a chunked computation can be computed only once: run the forward pass again."
            )
        gradients = torch.split(gradient, [output.shape[ctx.dim] for output, _ in parts], ctx.dim)

        def back(part: int) -> Tensor:
            output, input_ = parts[part]
            return cast(Tensor, torch.autograd.grad(output, input_, gradients[part])[0])

        return None, torch.cat(each(back, range(len(parts)))), None, None


@cache
def _pool(count: int, each_has: int) -> ThreadPoolExecutor:
    """Start ``count`` threads, each with ``each_has`` of torch's threads."""
    started = threading.Barrier(count)

    def start() -> None:
        _here.worker = True
        torch.get_num_threads()  # the first call in a thread sets the usual number, so it must come before
        torch.set_num_threads(each_has)
        started.wait()

    usual = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "gallop", start)
    try:
        for future in [pool.submit(threading.get_ident) for _ in range(count)]:
            future.result()
    except BaseException:
        started.abort()  # those that wait for one that never came
        pool.shutdown(wait=False)
        raise
    finally:
        torch.set_num_threads(usual)  # what one thread sets for itself is also what threads to come begin with
    return pool
