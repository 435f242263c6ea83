"""Methods that cost nothing are among those of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from gallop.lab.bench.running import runner
from gallop.lab.methods import METHODS
from tests.bench_things import FAKES


@pytest.fixture(autouse=True)
def fakes(own_cache: Path) -> Iterator[None]:
    # Before it measures, it collects garbage: a quarter of a second a run, where all of torch is loaded.
    measured = mock.patch.object(runner, "peak_bytes", lambda function, device: function() or 1)
    with mock.patch.dict(METHODS, FAKES), measured:
        yield
