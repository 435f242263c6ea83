"""The keys of runs on folders, as they were before there were sets by name: records under way must still be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallop.bench.running import plan as plans
from gallop.bench.running.photos import read_photos
from gallop.bench.running.plan import make_plan
from gallop.methods import METHODS
from tests.bench_things import FAKES, SPEC, spec, write_sets

PINNED = {
    ("guess", "first", 0, 0): "cd369d5cd0e4fcf904ba",
    ("GalLoP", "first", 2, 1): "627256e6be3391acb717",
    ("GalLoP", "second", 1, 0): "0f4b2a131418a7402cfb",
    ("ours", "first", 2, 1): "f8edaea32a1c211cdf9a",
    ("ours", "second", 1, 0): "888d41314dd94b9e9104",
    ("skill / low", "first", 2, 1): "26301d65ec459e69b07f",
    ("skill / as ours", "first", 2, 1): "f8edaea32a1c211cdf9a",
}
"""Of version 0.1.0, computed by the code that knew folders alone."""


def test_the_keys_of_folders_are_what_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, method in FAKES.items():
        monkeypatch.setitem(METHODS, name, method)
    monkeypatch.setattr(plans, "__version__", "0.1.0")
    what = spec(SPEC.replace("  ours: {", "  GalLoP: {method: GalLoP, preset: paper}\n  ours: {"))
    plan = make_plan(what, read_photos(what, write_sets(tmp_path)), lambda name, regions: "fp")
    found = {(entry.label, entry.set, entry.shots, entry.seed): entry.key for entry in plan.entries}
    assert {place: found[place] for place in PINNED} == PINNED
