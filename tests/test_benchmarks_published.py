"""What is published of photos-mini: the tables of both pages, filled from records."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.publish import OURS, by_set, by_shots, front, lead_of_ours
from gallop.lab.bench.reporting.results import Results
from tests.bench_things import plan_of, results_of, spec

SPEC = f"""
name: small
sets: [first, second, third]
shots: [1, 16]
seeds: [0, 1]
unknown: {{folder: odd}}
transfer: {{first: [third]}}
methods:
  zero-shot: {{method: fake-untaught}}
  CoOp: {{method: fake}}
  GalLoP: {{method: fake}}
  {OURS}: {{method: fake}}
claims:
  - {{claim: Ours is above., better: {OURS}, than: CoOp, shots: 16}}
  - {{claim: Ours is above., better: {OURS}, than: CoOp, shots: 1}}
  - {{claim: Ours is above., better: {OURS}, than: GalLoP, shots: 16}}
  - {{claim: On another domain, better: {OURS}, than: GalLoP, shots: 16, test: third}}
"""
LEVEL = {"zero-shot": 0.5, "CoOp": 0.6, "GalLoP": 0.7, OURS: 0.8}


def results(lines: Mapping[str, float] = LEVEL) -> Results:
    def value(label: str, name: str, shots: int, seed: int) -> Mapping[tuple[str, str, str], float] | None:
        if label not in lines:
            return None
        place = ("first", "second", "third").index(name)
        level = lines[label] + 0.01 * place * (label == OURS) - (0.05 if shots == 1 else 0)
        found = {(name, "accuracy", ""): level, ("third", "accuracy", ""): level if name == "third" else level / 2}
        for group in ("dots", "lines"):
            found |= {(name, "fpr95/MCM", group): 1 - level, (name, "fpr95/L-MCM", group): (1 - level) / 2}
        return found

    return results_of(plan_of(spec(SPEC), untaught=("zero-shot",)), value)


def test_the_tables_that_are_published() -> None:
    head, _, *rows = front(results()).splitlines()
    assert head == "|  | 1 shot | 16 shots | unknown that pass |"
    assert rows == ["| GalLoP, as the paper has it | 65.0 | 70.0 | 15 |", f"| {OURS} | 76.0 | 81.0 | 9 |"]
    sets = by_set(results(), 16).splitlines()
    assert sets[0] == f"| set | zero-shot | CoOp | GalLoP, as the paper has it | {OURS} |"
    assert (sets[2], sets[-1]) == (
        "| first | 50.0 | 60.0 | 70.0 | 80.0 |",
        "| **mean** | 50.0 | 60.0 | 70.0 | 81.0 |",
    )
    assert "GalLoP" not in by_set(results({"zero-shot": 0.5, "CoOp": 0.6}), 16), "a line that was not run is left out"
    shots = by_shots(results()).splitlines()
    assert shots[0] == "| accuracy, mean of the sets | 1 shot | 16 shots | first to third | FPR95, best score |"
    assert shots[3] == "| CoOp | 55.0 | 60.0 | 30.0 | 20.0 (L-MCM) |"
    assert shots[-1].startswith(f"| **{OURS}** | 76.0 | 81.0 | 40.0 |")
    assert lead_of_ours(results()).splitlines()[2:] == [
        "| above CoOp | **+21.0 (+18.5 to +23.5)** | **+21.0 (+18.5 to +23.5)** |",
        "| above GalLoP |  | **+11.0 (+8.5 to +13.5)** |",
    ]
