"""To wait for what another thread or process does, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(found: Callable[[], T], seconds: float = 60) -> T:
    """Return what is found as soon as it is something; fails after ``seconds``."""
    end = time.monotonic() + seconds
    while not (something := found()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)
    return something
