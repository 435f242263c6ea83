"""What the tests of the benchmark share: specifications, plans without photos, records by hand, tiny sets of photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from gallop import ImageFeatures, Predictions
from gallop.data import LabelledPhotos, Listing, PhotoSet
from gallop.errors import TrainingDiverged
from gallop.lab.bench.plan import UNTAUGHT, BenchRun, Plan
from gallop.lab.bench.runner import Figure, Record
from gallop.lab.bench.spec import Spec, parse_spec
from gallop.lab.bench.tables import Results
from gallop.lab.methods import Setup
from tests.tiny import write_folder

SPEC = """
name: tiny
about: For tests.
sets: [first, second]
shots: [1, 2]
seeds: [0, 1]
unknown: {folder: odd, skip: {second: [dots]}}
transfer: {first: [second]}
methods:
  guess: {method: fake-untaught}
  ours: {method: fake, skill: 0.9}
  theirs: {method: fake, skill: 0.5}
ablations:
  skill:
    shots: 2
    sets: [first]
    variants:
      low: {method: fake, skill: 0.1}
      as ours: {method: fake, skill: 0.9}
"""


def spec(text: str = SPEC) -> Spec:
    return parse_spec(text, "tiny.yaml")


# ------------------------------------------------------------------ methods that cost nothing


@dataclass(frozen=True)
class FakeAnswers:
    """Answers from features, moved by a number."""

    class_names: tuple[str, ...]
    salt: float
    local: bool

    def predict(self, features: ImageFeatures) -> Predictions:
        K = len(self.class_names)
        raw = np.asarray(features.global_.float())[:, :K] + self.salt * np.sin(np.arange(K))
        p = (np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)).astype(np.float32)
        score = -p.max(axis=1)
        return Predictions(
            labels=np.array(self.class_names)[p.argmax(axis=1)],
            probabilities=p,
            probabilities_global=p,
            probabilities_local=p[:, ::-1] if self.local else None,
            ood={"MCM": score, "GL-MCM": score**3} if self.local else {"MSP": score},
            is_ood=None,
        )


@dataclass(frozen=True)
class Fake:
    learns: ClassVar[bool] = True
    fitted: ClassVar[list[tuple[float, int, int]]] = []
    """(skill, seed, photos) of every fit since a test cleared it."""

    skill: float = 0.5
    diverges: bool = False

    def fit(self, shots: LabelledPhotos, setup: Setup) -> FakeAnswers:
        self.fitted.append((self.skill, setup.seed, len(shots.photos)))
        assert len(shots.labels) == len(shots.photos)
        if self.diverges:
            raise TrainingDiverged("The loss is nan.")
        return FakeAnswers(shots.class_names, self.skill + setup.seed + len(shots.photos), local=True)


@dataclass(frozen=True)
class Untaught:
    learns: ClassVar[bool] = False

    def fit(self, shots: LabelledPhotos, setup: Setup) -> FakeAnswers:
        assert len(shots.photos) == 0
        return FakeAnswers(shots.class_names, 0.0, local=False)


FAKES = {"fake": Fake, "fake-untaught": Untaught}


# ------------------------------------------------------------------ photos


def write_sets(root: Path, names: tuple[str, ...] = ("first", "second"), shots: int = 3) -> Path:
    """Sets of two classes with ``shots`` training and two test photos each, and two groups of unknown photos."""
    for number, name in enumerate(names):
        for split, count in (("train", shots), ("test", 2)):
            seed = 1000 * number + (500 if split == "test" else 0)
            write_folder(root / name / split, {"red": count, "green": count}, first_seed=seed)
    write_folder(root / "odd", {"blue": 2, "yellow": 3}, first_seed=9000)
    (root / "odd" / "blue").rename(root / "odd" / "dots")
    (root / "odd" / "yellow").rename(root / "odd" / "lines")
    return root


# ------------------------------------------------------------------ plans and records without photos

Values = Mapping[tuple[str, str, str], float]
"""(test, metric, unknown) -> value"""


def plan_of(what: Spec, untaught: tuple[str, ...] = ()) -> Plan:
    """Every run of a specification, with a key that says where it stands."""
    entries = []
    nothing = PhotoSet("none", Listing(Path()), Listing(Path()))
    for line in what.lines:
        taught = [(n, seed) for n in line.shots for seed in what.seeds]
        for name in line.sets or what.sets:
            for n, seed in [(UNTAUGHT, UNTAUGHT)] if line.heading in untaught else taught:
                key = f"{line.group}-{line.heading}-{name}-{n}-{seed}"
                run = BenchRun(key, line.heading, Fake(), {}, name, n, seed, nothing, (), (), {})
                entries.append((line, run))
    return Plan(what, what.sets, ("dots", "lines") if what.unknown.folder else (), tuple(entries))


def results_of(plan: Plan, value: Callable[[str, str, int, int], Values | str | None]) -> Results:
    """Results of ``value(label, set, shots, seed)``: figures, a sentence for a run that diverged, None for no run."""
    records = {}
    for line, run in plan.entries:
        found = value(line.label, run.set, run.shots, run.seed)
        if isinstance(found, str):
            records[run.key] = record_of(run, {}, failed=found)
        elif found is not None:
            records[run.key] = record_of(run, found)
    return Results(plan, records)


def record_of(run: BenchRun, values: Values, failed: str = "") -> Record:
    return Record(
        key=run.key,
        method=run.method,
        settings={},
        set=run.set,
        shots=run.shots,
        seed=run.seed,
        data={},
        figures=tuple(Figure(test, metric, v, 10, unknown) for (test, metric, unknown), v in values.items()),
        failed=failed,
        seconds=5.5,
        machine={"backbone": "none", "device": "cpu", "torch": "2"},
        date="2026-01-01T00:00:00+00:00",
    )
