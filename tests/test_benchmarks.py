"""The measurements measure what they say; their figures are not judged here."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import images, report, thresholds
from benchmarks.paper_hours import Gpu
from gallop.bench.running.rehearsal import Encoded, Rehearsed
from tests import warm
from tests.conftest import ROOT
from tests.reference import relative_error
from tests.tiny import COLOURS, vit, write_folder


@pytest.mark.slow
def test_one_row_as_json() -> None:
    command = ["-m", "benchmarks", "text", "--tower", "mini", "--classes", "3", "--prompts", "2", "--json"]
    done = subprocess.run([*warm.python(), *command], capture_output=True, text=True, check=True, cwd=ROOT)
    row = json.loads(done.stdout)
    shares = {"ratio_careful", "ratio_naive", "floor_share"}
    assert min(row[key] for key in shares) > 0  # how large they are is not judged here
    assert row["grad_error"] < 1e-5


@pytest.mark.slow
def test_regions_are_measured_beside_the_tower_itself() -> None:
    assert images.vision("mini", images=1)["overhead"] > -1  # how large it is is not judged here
    tower, pixels = images.load_vision("mini"), torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        whole, _ = tower.vision(pixels)
        assert relative_error(tower._model.visual(pixels), whole) < 1e-5


def test_the_report_replaces_what_stands_between_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row: dict[str, Any] = {"tower": "ViT-B-16", "classes": 100, "seconds": 2.5, "gigaflops": 300.0, "floor_share": 0.7}
    row |= {"megabytes": 250.0, "megabytes_naive": 3300.0, "megabytes_careful": 4100.0, "careful_again": True}
    row |= {"ratio_naive": 25.0, "seconds_naive": 62.5, "ratio_careful": 4.0, "seconds_careful": 10.0}
    names = ["vision mini", "vision ViT-B-16", "layout", "pipeline", "cache", "slider", "step", "step bf16", "live"]
    names += ["after the towers mini", "after the towers ViT-B-16", "large"]
    found: dict[str, Any] = {name: defaultdict(lambda: 1.5) for name in names}
    found |= {"text ViT-B-16 100": row | {"grad_error": 1e-6}, "growth": {"classes": {"10": 90.0, "100": 300.0}}}
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "PLOT", tmp_path / "speed.svg")
    report.write(found)
    report.write(found)  # again: nothing is doubled
    written = readme.read_text()
    assert (written[:7], written[-6:], "old" in written) == ("before\n", "after\n", False)
    row_of_tower = "| ViT-B-16, K = 100 | 2.50 s | 10.0 s | 4.0 | 62.5 s | 25.0 | 70% | 250 MB |"
    assert written.count(f"{row_of_tower} 4100 MB, blocks again | 3300 MB | 1e-06 |") == 1
    assert "| training step, 21,841 classes | 2 s | the process held 1.5 GB at most, 1.5 GB before |" in written
    assert (tmp_path / "speed.svg").stat().st_size > 1000


def test_hours_on_a_gpu_are_the_measured_ones_on_a_faster_processor() -> None:
    """A step that a GPU makes faster, one that it does not, views that its host decodes, and what is left."""
    line = Rehearsed("ours", "set", "mini", "value", 2, 1000, 300, 4000, 4.0, 0.5, 0.01, 60.0)
    quick = replace(line, step=0.1)
    gpu = Gpu(faster=100.0, step=0.03, photo=0.01)
    encoded = Encoded(photos=50_000, hours=2.0)
    shared = 300 * 0.01 + (2 * 60 + 4000 * 0.01) / 100
    wanted = 1000 * (0.04 + 0.03) + 2 * shared + 50_000 * 0.01
    assert gpu.hours([line, quick], encoded) == pytest.approx(wanted / 3600)
    # As fast as the processor that was measured, and with nothing that does not become faster, it takes the same time.
    assert Gpu(1.0, 0.0, 0.0).hours([line, quick], encoded) == pytest.approx(line.hours + quick.hours + 2)


def test_a_score_is_chosen_on_classes_that_were_learned_and_asked_about_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "test"):
        write_folder(tmp_path / "data" / "set" / part, dict.fromkeys(COLOURS, 4))
    monkeypatch.setattr(thresholds, "FEWEST", len(COLOURS))
    monkeypatch.setattr(thresholds, "load_backbone", lambda name: vit())
    monkeypatch.setattr(thresholds, "GalLoPClassifier", partial(thresholds.GalLoPClassifier, epochs=1))
    head, row, mean = thresholds.choice(tmp_path / "data")
    scores = [cell.strip() for cell in head.splitlines()[0].split("|")[5:-1]]
    assert {"MCM", "GL-MCM"} <= {*scores}
    _, name, unknown, chosen, *shares = [cell.strip() for cell in row.split("|")[:-1]]
    assert (name, unknown) == ("set", str(4 * (len(COLOURS) // 3))), "every third class is left out"
    assert shares[0] == shares[1 + scores.index(chosen)]
    assert mean.split("|")[4:] == row.split("|")[4:]
