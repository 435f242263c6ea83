"""The lines for Ray Data that docs/howto/many_photos.md prints, on a real Ray, with a worker that is killed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pyarrow import parquet

from gallop import GalLoPClassifier
from tests import tiny
from tests.cli.test_cli import call
from tests.conftest import ROOT

pytest.importorskip("ray.data", reason="needs the extra 'ray'")
psutil = pytest.importorskip("psutil", reason="needs psutil, which comes with the extra 'notebooks'")
if sys.platform != "linux":
    pytest.skip("Ray's processes are looked at as Linux shows them", allow_module_level=True)

STARTED = """
import ray
for left in range(8, -1, -1):
    try:
        ray.init(num_cpus=4, include_dashboard=False, logging_level="ERROR")
        break
    except Exception as error:
        ray.shutdown()
        if not left or "timed out during startup" not in str(error):
            raise
"""
"""Ray gives its own processes 30 seconds to start, which on a busy machine are not enough each time."""
DYING = """
import os, signal
from gallop.answers import PhotoScorer

class Dying(PhotoScorer):
    def __call__(self, batch):
        try:
            open(os.environ["KILLED"], "x").close()
        except FileExistsError:
            return super().__call__(batch)
        os.kill(os.getpid(), signal.SIGKILL)
"""
"""A scorer whose first batch ends its process."""


@pytest.fixture
def home() -> Iterator[Path]:
    """Where Ray's own files lie: the paths of its sockets must be short. In the end nothing of it runs on."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    yield folder
    for process in psutil.process_iter():
        try:
            if process.environ().get("RAY_TMPDIR") == str(folder):
                process.kill()
        except psutil.Error:
            continue
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_ray_data_answers_as_predict_does_though_a_worker_is_killed(home: Path, backbone: Path, tmp_path: Path) -> None:
    """Twenty photos of eight orientations, and one that is broken."""
    photos, model = tmp_path / "photos", tmp_path / "model"
    photos.mkdir()
    for i in range(20):
        exif = Image.Exif()
        exif[0x0112] = i % 8 + 1
        tiny.picture(i, ("red", "green")[i % 2], (64, 40)).save(photos / f"{i:02}.jpg", exif=exif)
    (photos / "broken.jpg").write_bytes((photos / "00.jpg").read_bytes()[:500])
    GalLoPClassifier(backbone=str(backbone), cache=False, device="cpu").zero_shot(["red", "green"]).save(model)
    (tmp_path / "dying.py").write_text(DYING)
    (block,) = re.findall(
        r"```python\n(import ray.*?)```", (ROOT / "docs/howto/many_photos.md").read_text("utf-8"), re.S
    )
    places = {"/shared/photos": photos, "/shared/model": model, "/shared/answers": tmp_path / "answers"}
    for place, here in places.items():
        block = block.replace(place, str(here))
    block = block.replace("from gallop.answers import PhotoScorer", "from dying import Dying as PhotoScorer")
    environment = {
        **os.environ,
        **{"HOME": str(home), "RAY_TMPDIR": str(home), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
        **{"PYTHONPATH": f"{ROOT}:{tmp_path}", "KILLED": str(tmp_path / "killed")},
    }
    how: dict[str, Any] = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", STARTED + block], check=False, timeout=900, **how)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists()
    assert call("predict", photos, "--model", model, "--device", "cpu", "--out", tmp_path / "here.parquet").code == 2
    mine, other = rows(tmp_path / "answers"), rows(tmp_path / "here.parquet")
    assert (mine.keys(), len(mine)) == (other.keys(), 21)
    for key, row in other.items():
        del row["model"]
        assert mine[key].keys() == row.keys()
        for name, value in row.items():
            close = pytest.approx(value, abs=1e-5) if isinstance(value, float) else value
            assert name == "top" or mine[key][name] == close, (key, name)
        assert [best["label"] for best in mine[key]["top"] or []] == [best["label"] for best in row["top"] or []]


def rows(place: Path) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in parquet.read_table(place).to_pylist()}
