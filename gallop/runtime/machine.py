"""The machine: processor, devices, versions and memory."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from gallop import __version__

PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "open_clip": "open_clip_torch",
    "timm": "timm",
    "numpy": "numpy",
}
"""Import names and the names they are installed under."""
CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Files in which Linux states the memory limit of a container: version 2 of cgroups, then version 1."""


def versions() -> dict[str, str | None]:
    """Return the versions of gallop, Python and ``PACKAGES``; None for what is not installed."""
    installed: dict[str, str | None] = {"gallop": __version__, "python": platform.python_version()}
    for name, package in PACKAGES.items():
        try:
            installed[name] = version(package)
        except PackageNotFoundError:
            installed[name] = None
    return installed


def devices() -> list[str]:
    """Return what torch can compute on."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else range(0)
    return [f"cpu ({torch.get_num_threads()} threads)", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in gpus)]


def processor() -> str:
    """Return the model's name, as far as the system reports it."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return model


def machine_memory() -> int:
    """Return bytes: the machine's, or those that its container may use; 0 if unknown."""
    sizes = []
    with contextlib.suppress(AttributeError, ValueError, OSError):  # Windows knows no sysconf
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # "max": as much as there is
            sizes.append(int(Path(file).read_text(encoding="utf-8")))
    return min((size for size in sizes if size > 0), default=0)
