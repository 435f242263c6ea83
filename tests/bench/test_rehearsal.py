"""``gallop bench --rehearse``: every line is stopped after its first step, measured, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gallop.data import read_folder
from gallop.methods import Setup, make_method
from gallop.training.loop import Trainer
from tests.bench.test_cli import Place, place, shared  # noqa: F401 - fixtures
from tests.tiny import vit, write_folder

LEARNERS = ("CoOp", "PromptSRC", "LoCoOp", "GalLoP")

SPEC = """
name: real
sets: [first, second]
shots: [1, 2]
seeds: [0, 1]
unknown: {folder: odd}
transfer: {first: [second]}
methods:
  zero-shot: {method: zero-shot}
  GalLoP: {method: GalLoP, preset: paper, epochs: 8, batch_size: 3, global_prompts: 2, topk: [2, 4]}
  PromptSRC: {method: PromptSRC, epochs: 8, views: 2}
  LoCoOp: {method: LoCoOp, epochs: 8}
  Tip-Adapter-F: {method: Tip-Adapter-F}
  Tip-Adapter: {method: Tip-Adapter}
  linear probe: {method: linear-probe}
ablations:
  regions:
    variants:
      tokens: {method: GalLoP, preset: paper, epochs: 8, global_prompts: 2, topk: [2, 4], regions: tokens}
"""


def test_every_line_is_measured_and_nothing_is_written(
    place: Place,  # noqa: F811
) -> None:
    place.spec.write_text(SPEC)
    before = sorted(place.root.rglob("*"))
    found = place.call("--rehearse", "--json")
    assert found.code == 0, found.err
    assert sorted(place.root.rglob("*")) == before
    told = found.json
    lines = {(line["label"], line["set"]): line for line in told["lines"]}
    assert len(lines) == len(told["lines"]) == 8 * 2
    assert told["device"].startswith("cpu (")
    # Two classes of one or two shots, two seeds, eight epochs of fresh views in batches of three.
    ours = lines["GalLoP", "first"]
    assert (ours["runs"], ours["steps"], ours["answers"]) == (4, 2 * (8 + 16), 4 * (4 + 4 + 5))
    assert ours["views"] == 2 * (8 * 2 + 16 * 3), "the last batch of an epoch counted as a whole one"
    assert (lines["zero-shot", "first"]["steps"], lines["zero-shot", "first"]["runs"]) == (0, 1)
    assert (lines["Tip-Adapter-F", "second"]["steps"], lines["Tip-Adapter-F", "second"]["runs"]) == (80, 4)
    assert lines["regions / tokens", "first"]["regions"] == "tokens"
    for (label, _), line in lines.items():
        assert min(line["view"], line["answer"], line["rest"], line["hours"]) > 0, label
        assert (line["step"] > 0) == (line["steps"] > 0), label
    assert told["hours"] == pytest.approx(
        sum(x["hours"] for x in lines.values()) + told["encoding_test_photos"]["hours"]
    )
    # Four photos in each test set, five unknown ones; the kind of the regions makes features of their own.
    assert told["encoding_test_photos"]["photos"] == 2 * (4 + 4 + 5)
    assert "rehearsing 16/16: " in found.err, "off a terminal too"
    as_text = place.call("--rehearse", "--only", "GalLoP", "--sets", "first", "--shots", "1").out
    assert "The 2 runs may take about" in as_text
    assert "on cpu (" in as_text


def test_a_step_that_a_gpu_has_no_room_for_is_told_and_the_others_go_on(
    place: Place,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place.spec.write_text(SPEC)
    step = Trainer._step

    def full(self: Trainer, batches: Any, epoch: int) -> Any:
        if len(self._parameters) > 2:  # ours: global and local contexts, and a projection
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")
        return step(self, batches, epoch)

    monkeypatch.setattr(Trainer, "_step", full)
    found = place.call("--rehearse", "--only", "GalLoP", "LoCoOp", "--sets", "first", "--json")
    assert found.code == 0, found.err
    failed = {line["label"]: line["failed"] for line in found.json["lines"]}
    assert "too little memory" in failed["GalLoP"]
    assert failed["LoCoOp"] == ""


WORK = [
    *(pytest.param(name, {"views": views}, id=f"{name} {views}") for name in LEARNERS for views in (0, 2)),
    *(pytest.param(name, {}, id=name) for name in ("zero-shot", "linear-probe", "Tip-Adapter", "Tip-Adapter-F")),
]


@pytest.mark.parametrize(("name", "views"), WORK)
def test_work_says_how_much_a_training_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, views: dict[str, int]
) -> None:
    """Steps and encoded views are counted where they are done."""
    made = make_method(name, {"epochs": 3, "batch_size": 2, **views} if views else {})
    write_folder(tmp_path, {"red": 2, "green": 1})
    steps: list[int] = []
    encoded: list[int] = []
    step, encode = Trainer._step, vit().encode_image
    monkeypatch.setattr(Trainer, "_step", lambda self, *args: steps.append(1) or step(self, *args))
    monkeypatch.setattr(vit(), "encode_image", lambda pixels: encoded.append(len(pixels)) or encode(pixels))
    made.fit(read_folder(tmp_path), Setup(vit()))
    work = made.work(3)
    # The last step of an epoch is short: a step's fresh views are an upper bound.
    assert sum(encoded) == work.kept + (3 * 3 if work.fresh else 0)
    if views:
        assert (len(steps), work.batch, work.fresh) == (work.steps, 2, 0 if views["views"] else 2)


@pytest.mark.parametrize("name", [*LEARNERS, "Tip-Adapter-F"])
def test_a_training_stops_after_so_many_steps(tmp_path: Path, name: str) -> None:
    write_folder(tmp_path, {"red": 1, "green": 1})
    ticks: list[None] = []
    setup = Setup(vit(), steps=2, ticked=lambda: ticks.append(None))
    settings = {"views": 0} if name != "Tip-Adapter-F" else {}
    make_method(name, settings).fit(read_folder(tmp_path), setup)
    assert len(ticks) == (3 if settings else 4), "at the start, and after each step"
