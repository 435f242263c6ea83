"""How much memory a function took, for tests and benchmarks."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import torch

from gallop.runtime.process import trim

STATUS = Path("/proc/self/status")


def peak_bytes(function: Callable[[], object], device: torch.device | None = None) -> int:
    """Return by how many resident bytes the process grew at most while the function ran; 0 if unknown.

    Args:
        device: where the function computes; for a GPU it is the GPU's memory.
    """
    if device is not None and device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        function()
        return torch.cuda.max_memory_allocated(device) - held
    gc.collect()
    trim()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the largest size so far is forgotten
        before = _kibibytes("VmRSS")
    except (OSError, StopIteration):  # not Linux, or a container that does not let us
        function()
        return 0
    function()
    return max(_kibibytes("VmHWM") - before, 0) * 1024


def largest_resident() -> int:
    """Return the most resident bytes that the process has had so far; 0 if unknown."""
    try:
        return _kibibytes("VmHWM") * 1024
    except (OSError, StopIteration):  # not Linux
        return 0


def _kibibytes(key: str) -> int:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(key))
