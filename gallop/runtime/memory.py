"""How much memory this machine has for its programs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where Linux says what a container may take, in its second and first way to do so."""


def machine_memory() -> int:
    """Return bytes: the machine's, or those that its container may take; 0 where nothing tells."""
    found = []
    with contextlib.suppress(AttributeError, ValueError, OSError):  # Windows knows no sysconf
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in _CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # "max": as much as there is
            found.append(int(Path(file).read_text(encoding="utf-8")))
    return min((size for size in found if size > 0), default=0)
