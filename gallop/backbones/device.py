"""Where the towers compute, in which precision, and what to tell where that cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from gallop.backbones.clip import Backbone, Precision
from gallop.errors import BackboneError, first_line
from gallop.runtime.machine import machine_memory
from gallop.wording import did_you_mean

_DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_precision(precision: str = "auto") -> Precision:
    """Return the precision of a name.

    Raises:
        BackboneError: unknown name.
    """
    named: dict[str, Precision] = {"fp32": "fp32", "bf16": "bf16"}
    if precision in named:
        return named[precision]
    if precision != "auto":
        raise BackboneError(f"There is no precision {precision!r}; use 'fp32', 'bf16' or 'auto'.")
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
        near = did_you_mean(str(device), _DEVICES)
        raise BackboneError(f"There is no device {device!r}; use 'auto', 'cpu' or 'cuda'.{near}") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise BackboneError("A GPU was asked for, but torch sees none here; use device='cpu' or 'auto'.")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise BackboneError(f"There is no {device} here; torch sees cuda:0{f' to cuda:{last}' if last else ' alone'}.")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise BackboneError(
            "A GPU of Apple's was asked for ('mps'), but torch sees none here; use device='cpu' or 'auto'"
            f"{', which takes the GPU that is here' if torch.cuda.is_available() else ''}."
        )
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise BackboneError(f"The device {device!r} is not supported; use 'auto', 'cpu' or 'cuda'.")
    return chosen


def memory_bytes(device: str = "auto") -> int:
    """Return the bytes of memory that a device has, in use or not; 0 where nothing tells.

    Raises:
        BackboneError: as ``pick_device``.
    """
    chosen = pick_device(device)
    if chosen.type == "cuda":
        return int(torch.cuda.get_device_properties(chosen).total_memory)
    return machine_memory()


def moved(backbone: Backbone, device: torch.device) -> Backbone:
    """Return the backbone itself, on a device that is tried first: some GPUs are seen and cannot be used.

    Raises:
        BackboneError: it is full, kept by another process, or too old or new for this torch.
    """
    try:
        torch.zeros(1, device=device).add_(1).item()
        return backbone.to(device)
    except RuntimeError as error:
        raise BackboneError(
            f"The device {device} cannot be used ({first_line(error)}). Use device='cpu'; where there is no such "
            "option, as in the app, set the environment variable CUDA_VISIBLE_DEVICES to nothing."
        ) from error
