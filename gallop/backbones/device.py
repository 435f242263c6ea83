"""Where backbones compute, and in which precision."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, cast, get_args

import torch

from gallop.errors import BackboneError
from gallop.runtime.machine import machine_memory
from gallop.wording import did_you_mean

Precision = Literal["fp32", "bf16"]


def pick_precision(precision: str = "auto") -> Precision:
    """Return the precision of a name.

    Raises:
        BackboneError: unknown name.
    """
    if precision in get_args(Precision):
        return cast(Precision, precision)
    if precision != "auto":
        raise BackboneError(f"Unknown precision {precision!r}; use 'fp32', 'bf16' or 'auto'.")
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return "fp32"
    return "bf16" if re.search(r"\b(amx_bf16|avx512_bf16)\b", flags) else "fp32"


def pick_device(device: str = "auto") -> torch.device:
    """Return the torch device of a name.

    Raises:
        BackboneError: unknown name, or a GPU that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise BackboneError(
            f"Unknown device {device!r}; use 'auto', 'cpu' or 'cuda'."
            f"{did_you_mean(str(device), ('auto', 'cpu', 'cuda', 'mps'))}"
        ) from error
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if chosen.type not in there:
        raise BackboneError(f"The device {device!r} is not supported; use 'auto', 'cpu' or 'cuda'.")
    if (chosen.index or 0) >= there[chosen.type]:
        raise BackboneError(
            f"The device {device} is not available: torch finds {there[chosen.type] or 'none'} of that kind. Use "
            "device='cpu' or 'auto'."
        )
    return chosen


def memory_bytes(device: str = "auto") -> int:
    """Return the bytes of memory that a device has, in use or not; 0 if unknown.

    Raises:
        BackboneError: as ``pick_device``.
    """
    chosen = pick_device(device)
    return int(torch.cuda.get_device_properties(chosen).total_memory) if chosen.type == "cuda" else machine_memory()
