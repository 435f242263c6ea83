"""Methods that cost nothing are among those of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from gallop.lab.methods import METHODS
from tests.bench_things import FAKES


@pytest.fixture(autouse=True)
def fakes(own_cache: Path) -> Iterator[None]:
    with mock.patch.dict(METHODS, FAKES):
        yield
