"""Processes as a user starts them, what each takes, and what comes of killing them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import Table, concat_tables, parquet


@dataclass(frozen=True)
class Answered:
    """What some processes did in parallel.

    Attributes:
        photos: answered by all.
        seconds: of the slowest, without the loading of its model.
        peak: bytes that the largest held at its largest.
    """

    photos: int
    seconds: float
    peak: int

    @property
    def rate(self) -> float:
        return self.photos / self.seconds


@dataclass(frozen=True)
class Job:
    """One call of ``gallop predict`` in so many processes, each on its part of the cores."""

    source: Path
    model: Path
    out: Path
    workers: int
    shard_size: int

    def start(self) -> list[subprocess.Popen[str]]:
        words = [sys.executable, "-m", "gallop", "predict", str(self.source), "--model", str(self.model)]
        words += ["--out", str(self.out), "--shard-size", str(self.shard_size), "--device", "cpu", "--json"]
        parts = [[*words, "--part", f"{i + 1}/{self.workers}"] for i in range(self.workers)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        return [subprocess.Popen(part, env=environment(self.workers), **pipes) for part in parts]

    def finish(self) -> Answered:
        started = self.start()
        facts, peaks = [], []
        for process in started:
            assert process.stdout is not None
            facts.append(json.loads(process.stdout.read()))
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode or facts[-1]["errors"]:
                raise SystemExit(f"A process ended with {process.returncode}: {facts[-1]}")
            peaks.append(used.ru_maxrss * 1024)
        photos = sum(each["answered"] for each in facts)
        return Answered(photos, max(each["seconds"] for each in facts), max(peaks))

    def killed(self, after: float) -> None:
        """Start, and kill -9 all of it after so many seconds."""
        started = self.start()
        time.sleep(after)
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.communicate()

    def rows(self) -> Table:
        return concat_tables(parquet.read_table(path) for path in sorted(self.out.glob("part-*.parquet")))


def environment(workers: int) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(cores // workers, 1))
    return os.environ | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}


def backbone_rate(source: Path, workers: int, seconds: float) -> float:
    """Photos a second of the backbone alone, in as many processes at once, on the same photos in the same batches."""
    words = [sys.executable, "-m", "benchmarks.many.backbone", str(source), str(seconds)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(words, env=environment(workers), **pipes) for _ in range(workers)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in started)


@dataclass(frozen=True)
class Survived:
    """The rows after so many kills, compared with those of an undisturbed run."""

    kills: int
    rows: int
    twice: int
    missing: int
    different: int


def survive(job: Job, undisturbed: Table, kills: int, expected: float, seed: int = 0) -> Survived:
    """Kill a job at random moments, complete it, and compare its rows; ``expected``: its seconds if undisturbed."""
    rng = random.Random(seed)
    for _ in range(kills):
        job.killed(rng.uniform(0.3, 1.0) * expected / kills + rng.uniform(0, 8))
    job.finish()
    mine, wanted = job.rows(), undisturbed
    counted = Counter(mine["key"].to_pylist())
    missing = set(wanted["key"].to_pylist()) - set(counted)
    by_key = {row["key"]: row for row in mine.to_pylist()}
    different = sum(by_key.get(row["key"]) != row for row in wanted.to_pylist())
    return Survived(kills, mine.num_rows, sum(count > 1 for count in counted.values()), len(missing), different)
