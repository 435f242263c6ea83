"""The measurements measure what they say; their figures are not judged here."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest

from benchmarks.paper_hours import Gpu
from gallop.bench.running.rehearsal import Encoded, Rehearsed
from tests import warm
from tests.conftest import ROOT


@pytest.mark.slow
def test_one_row_as_json() -> None:
    command = ["-m", "benchmarks", "text", "--backbone", "mini", "--classes", "3", "--prompts", "2", "--json"]
    done = subprocess.run([*warm.python(), *command], capture_output=True, text=True, check=True, cwd=ROOT)
    row = json.loads(done.stdout)
    shares = {"ratio_careful", "ratio_naive", "floor_share"}
    assert min(row[key] for key in shares) > 0  # how large they are is not judged here
    assert row["grad_error"] < 1e-5


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
