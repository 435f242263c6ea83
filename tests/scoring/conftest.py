from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest

from gallop.answers.sources import outages


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits, and nobody has answered yet; what would have been waited."""
    waited: list[float] = []
    for name, value in (("_answered", {}), ("_reported", set()), ("_lost", {}), ("pause", waited.append)):
        monkeypatch.setattr(outages, name, value)
    return waited


@pytest.fixture
def memory() -> Iterator[Any]:
    """Storage of fsspec's that lies in this process alone, empty."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
