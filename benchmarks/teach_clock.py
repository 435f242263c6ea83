"""A training on the page Teach by the clock, in a browser, compared with the same learning without a page.

    python -m benchmarks.teach_clock [RUNS]

Three classes of the sample with eight photos each, in the settings that the page begins with. It prints the seconds
from the click to the first step that is seen, to where it can be tried, and to the end; what ``fit`` takes for the same
learning from cached features, as the page has encoded its photos when they came; and the fraction of the server's
processor time that is not learning: drawing, answers and maps. The two take turns. A test checks that both learn the
same to the last digit (``tests/app/test_teaching.py``). On a machine that others use, the times mean nothing.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from app.photos.shelf import small
from app.teaching.training import QUICK, preset
from gallop import GalLoPClassifier, Photo
from gallop.backbones import load_backbone
from gallop.data.project import SHOT_SIDE
from gallop.features.encoding import MemoryCache
from gallop.sample import sample_photos
from tests.browsing import PATIENCE, expect, files_into, zipped
from tests.conftest import ROOT, launched, serving

CLASSES = ("candle", "mug", "teapot")
QUIET = 0.1
"""Fraction of a processor below which the server is taken to have encoded what came in."""


def main(runs: int) -> None:
    files = defaultdict(list)
    for photo in sample_photos():
        if photo.part == "train" and photo.class_name in CLASSES:
            files[photo.class_name].append({"name": photo.path.name, "buffer": photo.path.read_bytes()})
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py"), "--server.headless", "true"]
    learn = Plain()
    page_times, plain_times = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), [*command, "--server.port"], ROOT) as (address, server),
        launched() as browser,
    ):
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(2 * PATIENCE)
        page.goto(f"{address}/teach")
        page.get_by_text("All classes at once").click()
        files_into(page, "A zip of class folders", [zipped(dict(files))])
        expect(page.get_by_text("8 photos", exact=True)).to_have_count(len(CLASSES))
        page.get_by_text("All classes at once").click()
        for turn in range(runs + 1):
            wait_until_quiet(server.pid)
            page_times.append(taught(page, server.pid))
            wait_until_quiet(server.pid)
            plain_times.append(learn.once())
            if turn == 0:  # both have loaded what they need by now
                print(f"the first: {times_text(page_times.pop())}")
                plain_times.pop()
    for times in page_times:
        print(times_text(times))
    first, ready, done, work = (statistics.median(each) for each in zip(*page_times, strict=True))
    seconds, plain_work = (statistics.median(each) for each in zip(*plain_times, strict=True))
    print(f"medians: first step seen {first:.2f} s, ready to try {ready:.2f} s, trained {done:.2f} s")
    print(f"fit alone: {seconds:.2f} s; the page takes {done / seconds:.2f} times as long")
    print(f"processor: page {work:.2f} s, fit {plain_work:.2f} s; {1 - plain_work / work:.0%} is not learning")


def times_text(times: tuple[float, ...]) -> str:
    first, ready, done, work = times
    return f"first step {first:.2f} s, ready {ready:.2f} s, trained {done:.2f} s, processor {work:.2f} s"


def taught(page: Any, server: int) -> tuple[float, float, float, float]:
    """Seconds from the click to the first step, to where it can be tried, to the end; and of the server's processor."""
    begin = page.get_by_role("button", name="Train")
    expect(begin).to_be_enabled()
    start, busy = time.perf_counter(), processor(server)
    begin.click()
    taken = []
    for words in ("Training, step", "Ready to try", "Done:"):
        page.get_by_text(words).wait_for()
        taken.append(time.perf_counter() - start)
    return taken[0], taken[1], taken[2], processor(server) - busy


def processor(process: int) -> float:
    """Seconds of it that a process has used, all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(process: int) -> None:
    while True:
        before = processor(process)
        time.sleep(2.0)
        if processor(process) - before < 2.0 * QUIET:
            return


class Plain:
    """The same learning from the same photos, as the library does it."""

    def __init__(self) -> None:
        self._photos: list[Photo] = []
        self._labels: list[str] = []
        for photo in sample_photos():
            if photo.part == "train" and photo.class_name in CLASSES:
                self._photos.append(small(photo.path, SHOT_SIDE))
                self._labels.append(photo.class_name)
        self._backbone, self._cache = load_backbone("mini", device="cpu"), MemoryCache()

    def once(self) -> tuple[float, float]:
        """Seconds, and seconds of the processor; the first time the photos are encoded as well."""
        settings = preset(QUICK)
        how = {"method": settings.method(), "preset": settings.training(), "cache": self._cache}
        classifier = GalLoPClassifier(self._backbone, **how)
        start, busy = time.perf_counter(), time.process_time()
        classifier.fit(self._photos, self._labels)
        return time.perf_counter() - start, time.process_time() - busy


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
