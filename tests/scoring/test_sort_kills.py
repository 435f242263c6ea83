"""``gallop sort``, killed while it scores, moves and moves back: nothing is lost, and the next call goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gallop import GalLoPClassifier
from gallop.cli.commands import sort
from tests import tiny
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="knows no such signals")

PHOTOS = 2 * sort.SHARD
SLOW_DISK = """
import os, sys, time
rename = os.rename
def slow(*names):
    time.sleep(0.002)
    rename(*names)
os.rename = slow
from gallop.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""A move takes 2 ms, so that there is time to kill one."""


def contents(*folders: Path) -> list[bytes]:
    return sorted(path.read_bytes() for folder in folders for path in folder.rglob("*.png"))


@pytest.mark.slow
def test_kills_lose_no_photo(tmp_path: Path) -> None:
    photos, out, model = tmp_path / "photos", tmp_path / "out", tmp_path / "model"
    backbone = tiny.backbone_folder(tmp_path / "backbone")
    classifier = GalLoPClassifier(backbone=str(backbone), topk=(4,)).zero_shot(["red", "green"])
    with pytest.warns(UserWarning, match="cannot be loaded by its name"):
        classifier.save(model)
    tiny.write_folder(photos, {"red": PHOTOS})
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}

    def killed(enough: Callable[[], bool], *words: str) -> None:
        """SIGKILL the real process once there is enough; by then it must not have ended."""
        process = started(*words)
        while not enough():
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL

    def started(*words: str) -> subprocess.Popen[bytes]:
        told = ["sort", photos, "--model", model, "--out", out, "--promise", "none", "--line", "0.1", *words]
        command = [sys.executable, "-c", SLOW_DISK, *map(str, told)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def finished(*words: str) -> None:
        process = started(*words)
        _, said = process.communicate(timeout=300)
        assert (process.returncode, b"Traceback" in said) == (0, False), said

    tables, moved = out / ".gallop" / "scores", lambda: len(list(out.glob("*/*.png")))
    killed(lambda: tables.joinpath("part-000000.parquet").exists(), "--move")
    for number in (20, 500):
        killed(lambda n=number: moved() >= n, "--move")  # type: ignore[misc]
        assert contents(photos, out) == sorted(before.values())
    finished("--move")
    assert contents(out) == sorted(before.values())
    assert not contents(photos)
    killed(lambda: moved() <= PHOTOS - 300, "--undo")
    assert contents(photos, out) == sorted(before.values())
    finished("--undo")
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before
    assert not moved()
