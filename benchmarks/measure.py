"""Times, memory and the machine. What is compared is measured in one process, in turn, with the same threads."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import torch

from gallop.runtime.machine import processor
from tests.memory import largest_resident, peak_bytes

__all__ = ["large_product", "largest_resident", "machine", "once", "peak_bytes", "seconds"]

Function = Callable[[], object]


def seconds(*functions: Function, repeats: int = 5) -> list[float]:
    """Median seconds of each function, called in turn so that whatever else the machine does hits all of them."""
    for function in functions:
        function()  # first calls allocate and choose kernels
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            taken.append(once(function))
    return [statistics.median(taken) for taken in times]


def once(function: Function) -> float:
    """Seconds of one call, with what it leaves a GPU to do."""
    _wait_for_gpus()
    start = time.perf_counter()
    function()
    _wait_for_gpus()
    return time.perf_counter() - start


def _wait_for_gpus() -> None:
    for index in range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0):
        torch.cuda.synchronize(index)


def large_product(size: int = 2048) -> tuple[Function, int]:
    """A large matrix product in fp32 and its operations: what the processor and torch's library can do at most."""
    matrix = torch.randn(size, size)
    return lambda: matrix @ matrix, 2 * size**3


def machine() -> str:
    """Processor, threads and versions, for the table's head."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}{load}"
