"""What is published of photos-mini: the tables of both pages, filled from records."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import publish
from benchmarks.publish import OURS, beside_ours, by_set, by_shots, front, marked, unknown_in_words
from gallop.bench.definition.spec import read_spec
from gallop.bench.reporting.results import Results
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


def test_the_table_of_the_front_page() -> None:
    lines = front(results()).splitlines()
    assert [lines[0], *lines[2:]] == [
        "|  | 1 shot | 16 shots | unknown that pass |",
        "| GalLoP, as the paper has it | 65.0 | 70.0 | 15 |",
        f"| {OURS} | 76.0 | 81.0 | 9 |",
    ]


def test_the_table_of_sets() -> None:
    lines = by_set(results(), 16).splitlines()
    assert lines[0] == f"| set | zero-shot | CoOp | GalLoP, as the paper has it | {OURS} |"
    assert lines[2] == "| first | 50.0 | 60.0 | 70.0 | 80.0 |"
    assert lines[-1] == "| **mean** | 50.0 | 60.0 | 70.0 | 81.0 |"
    without = by_set(results({"zero-shot": 0.5, "CoOp": 0.6}), 16)
    assert "GalLoP" not in without, "a line that was not run is left out"


def test_how_many_unknown_photos_pass() -> None:
    said = unknown_in_words(results(), 16)
    assert "20% with CoOp (L-MCM), 15% with GalLoP, as the paper has it (L-MCM)" in said


def test_all_lines_at_all_shots() -> None:
    lines = by_shots(results()).splitlines()
    assert lines[0] == "| accuracy, mean of the sets | 1 shot | 16 shots | first to third | FPR95, best score |"
    assert lines[3] == "| CoOp | 55.0 | 60.0 | 30.0 | 20.0 (L-MCM) |"
    assert lines[-1].startswith(f"| **{OURS}** | 76.0 | 81.0 | 40.0 |")


def test_what_ours_is_above_by() -> None:
    assert beside_ours(results()).splitlines()[2:] == [
        "| above CoOp | **+21.0 (+18.5 to +23.5)** | **+21.0 (+18.5 to +23.5)** |",
        "| above GalLoP |  | **+11.0 (+8.5 to +13.5)** |",
    ]


def test_every_mark_stands_once_in_its_page_and_every_line_in_the_benchmark() -> None:
    for page, name in marked(results()):
        text = page.read_text(encoding="utf-8")
        assert (text.count(f"<!-- {name}: begin -->"), text.count(f"<!-- {name}: end -->")) == (1, 1)
    assert set(publish.LINES) <= set(read_spec(publish.NAME).methods)
