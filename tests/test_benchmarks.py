"""The measurements measure what they say; their figures are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import images, paper_hours, report, text, thresholds
from benchmarks.careful import CarefulText, careful_loss
from benchmarks.measure import peak_bytes, seconds
from benchmarks.naive import naive_loss, naive_loss_after_towers, naive_text
from benchmarks.paper_hours import Gpu, Hours
from benchmarks.paper_trees import _write_pictures
from gallop import load_image
from gallop.bench.running.rehearsal import Encoded, Rehearsed
from gallop.names.class_names import clean_names
from tests import warm
from tests.backbones.test_text_cost import CONTEXT, PROMPTS, step_floor
from tests.backbones.test_towers import backbone_vit
from tests.conftest import ROOT
from tests.reference import LEARNED, golden, relative_error
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


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_the_naive_step_is_the_step_of_the_reference(kind: str) -> None:
    case = golden(kind)
    kept = case.figure("kept_prompts")[0]
    parameters = [getattr(case.model.prompts, own) for own in LEARNED]
    naive = naive_loss(case.model, case.features, case.labels, kept)
    found = torch.autograd.grad(naive.total, parameters)
    assert float(naive.total.detach()) == pytest.approx(float(case.figure("losses")[0]), rel=1e-5)
    for gradient, theirs in zip(found, LEARNED.values(), strict=True):
        assert relative_error(gradient, case.figure(f"grad/{theirs}")) < 1e-5


@pytest.mark.parametrize("again", [True, False])
def test_the_careful_text_is_the_naive_one(again: bool) -> None:
    tower, names = backbone_vit().text, text.imagenet_names(5)
    contexts = text.start(tower, 3)
    careful_text = CarefulText(tower._module, tower._tokenizer, names, text.CONTEXT, 3)
    careful_text.again = again
    careful, naive = careful_text(contexts), naive_text(tower._module, tower._tokenizer, contexts, names)
    assert relative_error(careful.detach(), naive.detach()) < 1e-5
    weights = torch.randn_like(naive)
    found, wanted = (torch.autograd.grad((some * weights).sum(), contexts)[0] for some in (careful, naive))
    assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("kind", ["vit", "rn"])
def test_the_careful_step_is_the_naive_one_after_the_towers(kind: str) -> None:
    case = golden(kind)
    parts = case.model.text_features()
    features = torch.cat([parts.global_, parts.local], dim=1).detach().requires_grad_()
    learned = [features, case.model.prompts.local_projection]
    careful, naive = (
        loss(case.model, case.features, case.labels, case.figure("kept_prompts")[0], features)
        for loss in (careful_loss, naive_loss_after_towers)
    )
    assert float(careful.total.detach()) == pytest.approx(float(naive.total.detach()), rel=1e-5)
    both = [torch.autograd.grad(loss.total, learned) for loss in (careful, naive)]
    for found, wanted in zip(*both, strict=True):
        assert relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("classes", [1, 7, 100, 1000])
def test_the_floor_counts_every_token_that_is_needed(classes: int) -> None:
    tower, names = backbone_vit().text, text.imagenet_names(classes)
    assert len(clean_names(names)) == classes  # a class list that a model takes
    assert text.needed_operations(tower, names, PROMPTS, CONTEXT) == step_floor(tower, names)


def test_peak_memory_sees_what_a_function_holds_and_nothing_of_before() -> None:
    def hold(megabytes: int) -> None:
        torch.ones(megabytes * 2**18).sum()

    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    hold(300)
    assert 90e6 < peak_bytes(lambda: hold(100)) < 150e6


def test_times_are_medians_of_calls_in_turn() -> None:
    calls: list[str] = []
    taken = seconds(lambda: calls.append("a"), lambda: calls.append("b"), repeats=3)
    assert calls == ["a", "b", *["a", "b"] * 3]
    assert all(0 <= t < 1 for t in taken)


def test_the_report_replaces_what_stands_between_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row: dict[str, Any] = {"tower": "ViT-B-16", "classes": 100, "seconds": 2.5, "gigaflops": 300.0, "floor_share": 0.7}
    row |= {"megabytes": 250.0, "megabytes_naive": 3300.0, "megabytes_careful": 4100.0, "careful_again": True}
    row |= {
        "ratio_naive": 25.0,
        "seconds_naive": 62.5,
        "ratio_careful": 4.0,
        "seconds_careful": 10.0,
        "grad_error": 1e-6,
    }
    keys = ["milliseconds", "milliseconds_disk", "milliseconds_memory", "ratio_time", "ratio_disk", "ratio_memory"]
    keys += ["overhead", "seconds", "seconds_first_step", "seconds_a_step", "seconds_encoding", "seconds_prompts"]
    keys += ["encodings", "ratio_careful", "ratio_naive", "gigabytes", "gigabytes_before"]
    numbers = dict.fromkeys(keys, 1.5)
    names = ["vision mini", "vision ViT-B-16", "layout", "pipeline", "cache", "slider", "step", "step bf16", "live"]
    names += ["after the towers mini", "after the towers ViT-B-16", "large"]
    found = {
        "text ViT-B-16 100": row,
        **dict.fromkeys(names, numbers),
        "growth": {"classes": {"10": 90.0, "100": 300.0}},
    }
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "PLOT", tmp_path / "speed.svg")
    report.write(found)
    report.write(found)  # again: nothing is doubled
    written = readme.read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "old" not in written
    row_of_tower = "| ViT-B-16, K = 100 | 2.50 s | 10.0 s | 4.0 | 62.5 s | 25.0 | 70% | 250 MB |"
    assert written.count(f"{row_of_tower} 4100 MB, blocks again | 3300 MB | 1e-06 |") == 1
    assert "| training step, 21,841 classes | 2 s | the process held 1.5 GB at most, 1.5 GB before |" in written
    assert (tmp_path / "speed.svg").stat().st_size > 1000


def test_the_marks_are_in_the_readme() -> None:
    written = report.README.read_text(encoding="utf-8")
    assert written.index(report.BEGIN) < written.index(report.END)


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


def test_pictures_to_draw_from_all_differ(tmp_path: Path) -> None:
    found = [load_image(path).sha256 for path in _write_pictures(tmp_path / "pictures", 40)]
    assert len(set(found)) == 40


def test_hours_are_told_beside_what_they_assume() -> None:
    text = paper_hours.table([Hours("paper-ood", 16, 41_000, 2_500_000, 1234.5, 6.78)], Gpu(500.0, 0.03, 1 / 1700))
    assert "500 times this machine" in text
    assert "decode 1700 photos a second" in text
    assert "| `paper-ood` | 16 | 41,000 | 2,500,000 | 1,234 | 6.8 |" in text
    written = report.README.read_text(encoding="utf-8")
    table = written[written.index(paper_hours.BEGIN) : written.index(paper_hours.END)]
    assert all(f"| `{name}` |" in table for name in paper_hours.BENCHMARKS)


def test_a_limit_keeps_95_of_100_and_what_is_above_it_is_noticed() -> None:
    known = {"a": np.arange(20.0), "b": -np.arange(20.0)}
    found = thresholds.noticed(known, {"a": np.array([18.0, 18.5, 30, 40]), "b": np.array([-30.0, -20, -1, 5])})
    assert found == {"a": 75.0, "b": 25.0}  # the limits are 18 and -1


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
