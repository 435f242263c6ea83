"""Methods that cost nothing are among those of a benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallop.lab.bench.running import runner
from gallop.lab.methods import METHODS
from tests.bench_things import FAKES


@pytest.fixture(autouse=True)
def fakes(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, method in FAKES.items():
        monkeypatch.setitem(METHODS, name, method)
    # Before it measures, it collects garbage: a quarter of a second a run, where all of torch is loaded.
    monkeypatch.setattr(runner, "peak_bytes", lambda function, device: function() or 1)
