"""Calls that are killed. ``predict --out``: the lines and the exit status are those of a call that nobody stopped.
``gallop sort``, while it scores, moves and moves back: nothing is lost, and the next call goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gallop import GalLoPClassifier
from tests import tiny
from tests.cli.test_many import read
from tests.conftest import ROOT, listen_to_interrupts
from tests.warm import python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="knows no such signals")

KILLS, PHOTOS, SORTED = 3, 800, 1024
STOPS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": -signal.SIGTERM, "SIGINT": 130}
"""By signal, the status of a process that it stops."""
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


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_kills_change_neither_the_lines_nor_the_exit_status(tmp_path: Path, ending: str) -> None:
    """A photo that cannot be read is among the first, so that all calls but one find its line."""
    photos, backbone = tmp_path / "photos", tiny.backbone_folder(tmp_path)
    tiny.write_folder(photos, {"red": PHOTOS})
    (photos / "red" / "0.png").write_bytes(b"")
    out, whole, chance = tmp_path / f"out.{ending}", tmp_path / f"whole.{ending}", random.Random(0)

    def started(file: Path) -> subprocess.Popen[str]:
        words = ("predict", photos, "--classes", "red,green", "--backbone", backbone, "--device", "cpu", "--out", file)
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": ROOT}
        command = [*python(), "-m", "gallop", *map(str, words)]
        return subprocess.Popen(command, preexec_fn=listen_to_interrupts, **pipes)

    def ended(process: subprocess.Popen[str]) -> int:
        said, _ = process.communicate(timeout=300)
        assert "Traceback" not in said
        return process.returncode

    def there() -> int:
        return out.read_bytes().count(b"\n") if out.exists() else 0

    for kill in range(KILLS):
        name, process = list(STOPS)[kill % len(STOPS)], started(out)
        enough = there() + chance.randrange(1, 100)
        while there() < enough and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(process.pid, signal.Signals[name])
        assert ended(process) == STOPS[name]
        if kill == 1:
            os.truncate(out, out.stat().st_size - 7)
    assert [ended(started(file)) for file in (out, out, whole)] == [2, 2, 2]
    assert there() == PHOTOS + (ending == "csv")
    for mine, other in zip(read(out), read(whole), strict=True):  # of batches that begin at other photos
        key, error = ("image" if ending == "csv" else "key"), mine["error"]
        assert (mine[key], error, mine["model"]) == (other[key], other["error"], other["model"])
        assert error or float(mine["probability"]) == pytest.approx(float(other["probability"]), abs=1e-5)


# gallop sort ------------------------------------------------------------------------------------------------------


def contents(*folders: Path) -> list[bytes]:
    return sorted(path.read_bytes() for folder in folders for path in folder.rglob("*.png"))


@pytest.mark.slow
def test_kills_of_a_sort_lose_no_photo(tmp_path: Path) -> None:
    photos, out, model = tmp_path / "photos", tmp_path / "out", tmp_path / "model"
    backbone = tiny.backbone_folder(tmp_path / "backbone")
    classifier = GalLoPClassifier(backbone=str(backbone), topk=(4,)).zero_shot(["red", "green"])
    with pytest.warns(UserWarning, match="cannot be loaded by its name"):
        classifier.save(model)
    tiny.write_folder(photos, {"red": SORTED})
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

    scores, moved = out / ".gallop" / "scores.jsonl", lambda: len(list(out.glob("*/*.png")))
    for number in (SORTED // 4, SORTED // 2):
        killed(lambda n=number: scores.exists() and scores.read_bytes().count(b"\n") >= n, "--move")  # type: ignore[misc]
    for number in (20, 500):
        killed(lambda n=number: moved() >= n, "--move")  # type: ignore[misc]
        assert contents(photos, out) == sorted(before.values())
    finished("--move")
    assert (contents(out), contents(photos)) == (sorted(before.values()), [])
    assert len({line for line in scores.read_text().splitlines() if line}) == SORTED, "each was scored once"
    killed(lambda: moved() <= SORTED - 300, "--undo")
    assert contents(photos, out) == sorted(before.values())
    finished("--undo")
    assert ({path: path.read_bytes() for path in photos.rglob("*.png")}, moved()) == (before, 0)
