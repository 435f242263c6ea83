"""Sort a large pile with ``gallop sort``, killed three times: clock, memory, and whether all photos are there.

    python -m benchmarks.sort_pile FOLDER --photos 10000

FOLDER is made: copies of the sample's photos with noise of their own, 96 pixels high. The command is killed when a
fifth and when a half of the pile is scored, and when a half of the accepted photos are copied.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from gallop.sample import sample_photos

MODEL = Path(__file__).resolve().parents[1] / "gallop" / "sample" / "model"
_SAMPLE = [photo.path for photo in sample_photos() if photo.class_name is not None]


def make_pile(folder: Path, photos: int) -> None:
    """Write the pile, a thousand photos a folder."""
    rng = np.random.default_rng(0)
    some = [np.asarray(Image.open(path).convert("RGB").resize((144, 96))) for path in _SAMPLE]
    for i in range(photos):
        noisy = some[i % len(some)] + rng.normal(0, 8, (96, 144, 3))
        path = folder / f"{i // 1000:03d}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=85)


def peak_memory(process: int) -> float:
    """Return the most memory that a process had at once, in MB (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Print a line for each call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=10_000)
    options = parser.parse_args()
    pile, out = options.folder / "pile", options.folder / "sorted"
    make_pile(pile, options.photos)
    words = ["sort", pile, "--model", MODEL, "--out", out, "--promise", "none", "--line", "0.3", "--device", "cpu"]
    command = [sys.executable, "-m", "gallop", *map(str, words)]

    def scored() -> int:
        scores = out / ".gallop" / "scores.jsonl"
        return scores.read_bytes().count(b"\n") if scores.exists() else 0

    def copied() -> int:
        return sum(len(files) for _, _, files in os.walk(out)) if (out / ".gallop" / "placed.json").exists() else 0

    started, peak = time.monotonic(), 0.0
    kills: list[tuple[Callable[[], int], float]] = [(scored, 0.2), (scored, 0.5), (copied, 0.5)]
    for reached, part in kills:
        began, process = time.monotonic(), subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while reached() < part * options.photos and process.poll() is None:
            peak = peak_memory(process.pid)
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        status = process.wait()
        what = f"status {status}, {scored()} scored, {copied()} copied, {peak:.0f} MB at most"
        print(f"killed after {time.monotonic() - began:.0f} s: {what}", flush=True)
    began, last = time.monotonic(), subprocess.run(command, capture_output=True, text=True)
    print(
        f"{began - started:.0f} s until then; the last call: {time.monotonic() - began:.0f} s, status {last.returncode}"
    )
    print(last.stdout if last.returncode == 0 else last.stderr)
    names = [path for folder in out.iterdir() if folder.is_dir() and folder.name[0] != "." for path in folder.iterdir()]
    print(f"{len(names)} in class folders, {len(list(pile.rglob('*.jpg')))} in the pile")


if __name__ == "__main__":
    main()
