"""The measurements measure what they say; how large their figures are is not judged here."""

from __future__ import annotations

import ast
import importlib.util
import json
import random
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import costs
from benchmarks.choosing import pairs
from benchmarks.choosing.candidates import Candidate
from benchmarks.choosing.figures import SetFigures
from benchmarks.choosing.tables import Judged
from benchmarks.choosing.trainings import Trainings
from benchmarks.maps import __main__ as command
from benchmarks.maps.pictures import Corpus, CutOut
from benchmarks.maps.ways import OURS as OUR_MAP
from benchmarks.publish import OURS, by_set, by_shots, front
from gallop.lab.bench.tables import Results
from gallop.sample import sample_photos
from tests import warm
from tests.bench_things import plan_of, results_of, spec
from tests.conftest import ROOT
from tests.tiny import vit


@pytest.mark.slow
def test_one_row_as_json() -> None:
    command = ["-m", "benchmarks", "text", "--backbone", "mini", "--classes", "3", "--prompts", "2", "--json"]
    done = subprocess.run([*warm.python(), *command], capture_output=True, text=True, check=True, cwd=ROOT)
    row = json.loads(done.stdout)
    shares = {"ratio_careful", "ratio_naive", "floor_share"}
    assert min(row[key] for key in shares) > 0  # how large they are is not judged here
    assert row["grad_error"] < 1e-5


def test_every_measurement_finds_what_it_imports() -> None:
    """Blender's package alone may be missing: it draws the sample's photos."""
    wanted = {
        (node.module, each.name)
        for path in (ROOT / "benchmarks").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ("gallop", "app")
        for each in node.names
    }
    assert len(wanted) > 100
    for module, name in sorted(wanted):
        found = importlib.import_module(str(module))
        submodule = hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{name}")
        assert hasattr(found, name) or submodule, f"{module} has no {name}"


# Maps, on pictures and maps whose answer is known ---------------------------------------------------------------------


def thing(colour: tuple[int, int, int], name: str) -> CutOut:
    pixels = np.full((40, 60, 3), colour, dtype=np.uint8)
    return CutOut(pixels, np.ones((40, 60), dtype=bool), name, Path(f"{name}.png"))


def test_the_command_writes_a_table_and_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (300, 260), (128, 128, 128)).save(tmp_path / "grey.png")
    corpus = Corpus("two things", (thing((250, 0, 0), "red"), thing((0, 0, 250), "blue")), None)
    page = tmp_path / "README.md"
    page.write_text(f"before\n{command.BEGIN}\nold\n{command.END}\nafter\n")
    changes = {"README": page, "PLOT": tmp_path / "maps.webp", "REGION_KINDS": ("value", "query-query")}
    for name, value in changes.items():
        monkeypatch.setattr(command, name, value)
    monkeypatch.setattr(command, "sample_corpus", lambda: corpus)
    monkeypatch.setattr(command, "load_backbone", lambda name: vit())
    words = ["maps", "--scenes", str(tmp_path), "--sizes", "8", "--draws", "1", "--games", "1", "--write"]
    monkeypatch.setattr("sys.argv", words)
    command.main()
    text = page.read_text()
    assert (text[:7], text[-6:], "old" in text) == ("before\n", "after\n", False)
    assert text.count(f"| {OUR_MAP} |") == 2, "a table a kind of regions; nothing to learn from"
    assert text.count(f"| {OUR_MAP}, detail 1.5, pooled |") == text.count(f"| {OUR_MAP}, detail 2, pooled |") == 2
    assert text.count("zero-shot: detail 2 over one look") == 2
    assert f"| {OUR_MAP} |" in capsys.readouterr().out
    assert Image.open(tmp_path / "maps.webp").width > 200


# A second look, on a backbone that is small ---------------------------------------------------------------------------


@pytest.mark.slow
def test_costs_are_told_over_one_look_without_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "SHOTS", 1)
    for name, value in (("DETAILS", (1.0, 2.0)), ("HEADS", ("none", "ridge")), ("EPOCHS", 1), ("BATCH", 4)):
        monkeypatch.setattr(costs, name, value)
    _, _, *rows, _, took = costs.table(vit(), repeats=1).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert cells[0][:6] == ["1", "none", "1.00", "1.00", "1.00", "1.00"]
    assert [(row[0], row[1]) for row in cells] == [("1", "none"), ("1", "ridge"), ("2", "none"), ("2", "ridge")]
    regions, width, joint = vit().feature_sizes
    ratio = (5 * regions * width + 2 * joint) / (regions * width + joint)
    assert {row[-1] for row in cells if row[0] == "2"} == {f"{ratio:.2f}"}
    assert "ms to encode a photo" in took


# The choice of a configuration, from saved trainings ------------------------------------------------------------------


class Known(Judged):
    """Figures that are given: accuracy and FPR95 by the candidate's name, on every set."""

    given: ClassVar[dict[str, tuple[float, float]]] = {}

    def of(self, candidate: Candidate, count: int, sets: Sequence[str]) -> list[SetFigures]:
        accuracy, passed = self.given[candidate.name]
        right = (torch.arange(1000) < 10 * accuracy).double()
        return [SetFigures(right, 0.0, 0.9, passed, None) for _ in sets]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": (80.0, 30.0), "b": (80.6, 40.0)}, "b"),  # too far below, whatever it notices
        ({"a": (80.2, 30.0), "b": (80.6, 40.0)}, "a"),  # as good but for the error, and fewer pass
        ({"a": (80.2, 30.0), "b": (80.6, 30.0)}, "b"),  # as many pass
        ({"a": (80.0, 30.0), "b": (80.0, 30.0)}, "a"),
    ],
)
def test_of_those_near_the_best_one_that_notices_most_is_chosen(
    given: dict[str, tuple[float, float]], expected: str, tmp_path: Path
) -> None:
    judged = Known(Trainings(tmp_path, tmp_path))
    judged.given = given  # type: ignore[misc]
    assert pairs.chosen(judged, [Candidate(name) for name in given], [4, 1], ("ants", "pacs/photo")).name == expected


# Many photos ----------------------------------------------------------------------------------------------------------


# What is published of photos-mini, from records -----------------------------------------------------------------------


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


# The visitor of the soak, on a handful of actions ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_handful_of_actions_is_done_and_the_same_each_time(app_server: str) -> None:
    from benchmarks.soak.browser import Browser
    from benchmarks.soak.visitor import Visitor

    photos = [(photo.path.name, photo.path.read_bytes()) for photo in sample_photos()[:4]]
    done = []
    for _ in range(2):
        browser = Browser(app_server)
        visitor = Visitor(browser, random.Random(3), photos)
        for _ in range(4):
            visitor.act()
        done.append(dict(visitor.done))
        assert browser.problems == []
        browser.close()
    assert (done[0], sum(done[0].values())) == (done[1], 4)
