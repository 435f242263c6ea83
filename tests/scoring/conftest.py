from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest


@pytest.fixture
def memory() -> Iterator[Any]:
    """Storage of fsspec's that lies in this process alone, empty."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
