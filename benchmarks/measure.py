"""Times, memory and the machine. What is compared is measured in one process, in turn, with the same threads."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

Function = Callable[[], object]


def seconds(*functions: Function, repeats: int = 5) -> list[float]:
    """Median seconds of each function, called in turn so that whatever else the machine does hits all of them."""
    for function in functions:
        function()  # first calls allocate and choose kernels
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, own in zip(functions, times, strict=True):
            own.append(once(function))
    return [statistics.median(own) for own in times]


def once(function: Function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_bytes(function: Function) -> int:
    """By how much the process grew at its largest while the function ran, in resident bytes (Linux; elsewhere 0)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the largest size so far is forgotten
    before = _kibibytes(status, "VmRSS")
    function()
    return (_kibibytes(status, "VmHWM") - before) * 1024


def _kibibytes(status: Path, key: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(key))


def matmul_rate(dtype: torch.dtype = torch.float32, size: int = 2048) -> float:
    """Operations a second of a large matrix product: what the processor and torch's library can do here and now."""
    matrix = torch.randn(size, size).to(dtype)
    (taken,) = seconds(lambda: matrix @ matrix, repeats=7)
    return 2 * size**3 / taken


def machine() -> str:
    """Processor, threads and versions, for the table's head."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{model}, {torch.get_num_threads()} threads, torch {torch.__version__}{load}"
