"""The benchmark of many photos: what it makes and compares is what it says."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.many.processes import Job, Survived, survive


def test_rows_that_are_lost_doubled_or_changed_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = pa.table({"key": list("abcd"), "probability": [0.1, 0.2, 0.3, 0.4]})
    mine = pa.table({"key": list("aabc"), "probability": [0.1, 0.1, 0.2, 0.9]})
    job = Job(tmp_path, tmp_path, tmp_path, 2, 10)
    monkeypatch.setattr(Job, "killed", lambda *_: None)
    monkeypatch.setattr(Job, "finish", lambda _: None)
    monkeypatch.setattr(Job, "rows", lambda _: mine)
    assert survive(job, whole, 3, 1.0) == Survived(kills=3, rows=4, twice=1, missing=1, different=2)
    monkeypatch.setattr(Job, "rows", lambda _: whole)
    assert survive(job, whole, 3, 1.0) == Survived(kills=3, rows=4, twice=0, missing=0, different=0)
