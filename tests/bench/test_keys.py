"""Records that were kept are found again: their keys are what they were, whatever settings and releases come after."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gallop.config import PRESETS, MethodConfig, TrainConfig
from gallop.data import LabelledPhotos, Listing, PhotoSet
from gallop.errors import ConfigError
from gallop.lab.bench.definition.spec import read_spec
from gallop.lab.bench.running import keys, plan
from gallop.lab.bench.running.photos import Photos, read_photos
from gallop.lab.bench.running.plan import make_plan
from gallop.lab.methods import make_method
from tests.bench_things import SPEC, spec, write_sets
from tests.conftest import ROOT

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


BEFORE = {"linear-probe": 1}
"""The methods that had been revised when these records were saved."""


@pytest.fixture(autouse=True)
def revised_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "REVISED", BEFORE)


def test_the_keys_of_folders_are_what_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "FIRST_SETTINGS", {**keys.FIRST_SETTINGS, "fake": ("skill", "diverges")})
    what = spec(SPEC.replace("  ours: {", "  GalLoP: {method: GalLoP, preset: paper}\n  ours: {"))
    made = make_plan(what, read_photos(what, write_sets(tmp_path)), lambda name, regions: "fp")
    found = {(entry.label, entry.set, entry.shots, entry.seed): entry.key for entry in made.entries}
    assert {place: found[place] for place in PINNED} == PINNED


# ------------------------------------------------------------------ the records of photos-mini


FINGERPRINTS = json.loads((ROOT / "tests/bench/photos_mini.json").read_text(encoding="utf-8"))
"""Of the backbone and the photos that ``benchmarks/photos-mini`` was run on."""
TAKEN_OUT = ("covariance", "PromptSRC", "discriminant", "logistic", "discriminant, 2", "logistic, 2")
"""Heads and a method that the published records have, and the benchmark no longer."""


@dataclass(frozen=True)
class KnownSet(PhotoSet):
    """A set of which no photo is here, only its fingerprints."""

    prints: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        return str(self.prints["test"])

    def drawn(self, shots: int, seed: int) -> str:
        return str(self.prints["train"][f"{shots} shots, seed {seed}"])


@dataclass(frozen=True)
class KnownGroup(LabelledPhotos):
    """Unknown things of which no photo is here, only their fingerprint."""

    fingerprint: str = ""


def known_photos() -> Photos:
    sets = {}
    for name, prints in FINGERPRINTS["sets"].items():
        names = tuple(prints["classes"])
        numbers = tuple(number for number in range(len(names)) for _ in range(16))
        listed = Listing(Path(), tuple(map(str, numbers)), numbers, names)
        sets[name] = KnownSet(name, listed, listed, prints=prints)
    unknown = {
        name: KnownGroup((), (), (), ("",), fingerprint=known) for name, known in FINGERPRINTS["unknown"].items()
    }
    return Photos({name: sets[name] for name in read_spec("photos-mini").sets}, unknown)


def planned(label: str | None = None) -> set[str]:
    made = make_plan(read_spec("photos-mini"), known_photos(), lambda name, regions: FINGERPRINTS["backbone"])
    return {entry.key for entry in made.entries if label in (None, entry.label)}


@pytest.fixture(scope="module")
def published() -> dict[str, str]:
    """The keys of the records that were published, and the line or ablation of each."""
    with gzip.open(ROOT / "benchmarks/photos-mini/results.csv.gz", "rt", encoding="utf-8", newline="") as file:
        found: dict[str, str] = {}
        for row in csv.DictReader(file):
            line = row["method"] if row["method"] in TAKEN_OUT else row["group"] or row["method"]
            found.setdefault(row["key"], line)  # a line's run may serve an ablation, too
    assert len(found) == 1834
    return found


@pytest.fixture(scope="module")
def kept(published: dict[str, str]) -> set[str]:
    """But those of what was taken out since."""
    return {key for key, line in published.items() if line not in TAKEN_OUT}


def test_every_record_is_found_again(kept: set[str]) -> None:
    assert planned() == kept


def test_ours_has_other_runs_when_the_preset_has_another_method(
    published: dict[str, str], kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other line has, of the paper's method or another's."""
    monkeypatch.setitem(PRESETS, "default", (MethodConfig(topk=(7,), head="ridge"), TrainConfig(weight_decay=0.5)))
    assert kept - planned() == {key for key, line in published.items() if line == "GalLoP Explorer"}
    ours = planned("GalLoP Explorer")
    assert (len(ours), ours & kept) == (8 * 5 * 3, set())
    made = make_method("GalLoP", {"method_preset": "default", "preset": "default", "dropout": 0.5, "epochs": 3})
    asked = {"topk": [7], "head": "ridge", "dropout": 0.5, "epochs": 3, "weight_decay": 0.5}
    assert keys.canonical("GalLoP", made) == keys.canonical("GalLoP", make_method("GalLoP", asked))
    for name, preset, said in (
        ("GalLoP", "backbone", "no preset 'backbone'"),
        ("CoOp", "default", "CoOp has no setting 'method_preset'"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_method(name, {"method_preset": preset})


def test_a_method_that_was_revised_is_run_again_and_no_other(
    published: dict[str, str], kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "REVISED", {**BEFORE, "CoOp": 1})
    assert kept - planned() == {key for key, line in published.items() if line == "CoOp"}
    monkeypatch.setattr(plan, "REVISED", keys.REVISED)
    others = {
        "zero-shot",
        "zero-shot, ensemble",
        "linear probe",
        "linear probe, detail 2",
        "Tip-Adapter",
        "Tip-Adapter-F",
    }
    assert {published[key] for key in kept & planned()} == others, "prompts are learned in other batches since"


def test_every_setting_of_a_training_can_be_set_for_a_method() -> None:
    usual = keys.canonical("CoOp", make_method("CoOp", {"preset": "paper"}))
    made = make_method("CoOp", {"preset": "paper", "momentum": 0.5, "epochs": 3})
    assert keys.canonical("CoOp", made) == usual | {"momentum": 0.5, "epochs": 3}
