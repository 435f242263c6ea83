"""``predict --out``, stopped twenty times: the tables and the exit status are those of a call that nobody stopped."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gallop.service.tables.layout import MANIFEST
from tests import tiny
from tests.conftest import ROOT, listen_to_interrupts
from tests.warm import python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="knows no such signals")

KILLS, PHOTOS, SHARD = 20, 800, 4
STOPS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": -signal.SIGTERM, "SIGINT": 130}
"""By signal, the status of a process that it stops."""


def tables(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != MANIFEST}


@pytest.mark.slow
def test_twenty_kills_change_neither_the_tables_nor_the_exit_status(tmp_path: Path) -> None:
    """A photo that cannot be read is in the first table, so that all calls but one find its row."""
    photos, backbone = tmp_path / "photos", tiny.backbone_folder(tmp_path)
    tiny.write_folder(photos, {"red": PHOTOS})
    (photos / "red" / "0.png").write_bytes(b"")
    chance = random.Random(0)

    def started(out: str) -> subprocess.Popen[str]:
        words = ["predict", photos, "--classes", "red,green", "--backbone", backbone, "--device", "cpu"]
        words += ["--shard-size", SHARD, "--out", tmp_path / out]
        command = [*python(), "-m", "gallop", *map(str, words)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=listen_to_interrupts,
        )

    def ended(process: subprocess.Popen[str]) -> int:
        said, _ = process.communicate(timeout=300)
        assert "Traceback" not in said
        assert "damaged" not in said
        return process.returncode

    def there() -> int:
        return len(list((tmp_path / "out").glob("part-*.parquet")))

    for kill in range(KILLS):
        name, process = list(STOPS)[kill % len(STOPS)], started("out")
        enough = there() + chance.randrange(5)
        while there() <= enough and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(process.pid, signal.Signals[name])
        status = ended(process)
        print(f"kill {kill + 1}: {name}, status {status}, {there()} of {PHOTOS // SHARD} tables")
        assert status == STOPS[name]
    at_once = [started("out"), started("out")]
    statuses = [ended(process) for process in [*at_once, started("out")]]
    print(f"gone on by two at once, and called again: {statuses}; never stopped: {ended(started('whole'))}")
    assert (statuses, tables(tmp_path / "out")) == ([2, 2, 2], tables(tmp_path / "whole"))
    assert len(tables(tmp_path / "out")) == PHOTOS // SHARD
