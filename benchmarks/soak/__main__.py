"""The app under load, through its messages: one visitor's thousands of clicks, or many visitors at once.

    python -m benchmarks.soak [--actions 5000] [--seed 0] [--write]
    python -m benchmarks.soak --visitors 20 [--trainings 3] [--files 2000] [--write]

The first goes from page to page, types, chooses, moves, uploads the sample's photos, trains and cancels, by chance but
the same each time; the server's resident memory is taken every few actions, and again after the visitor has left. Of
many, some train, one sends photos and the others look at pages. Measured is how long these take; checked is that each
visitor sees his answers alone, and the true number of trainings ahead of his.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from benchmarks.serve.processes import resident
from benchmarks.soak.browser import Browser
from benchmarks.soak.crowd import Seen, crowd, percentile, photos
from benchmarks.soak.visitor import Visitor
from gallop.sample import sample_photos
from tests.conftest import ROOT, serving

CLICKS = "<!-- soak: begin -->", "<!-- soak: end -->"
CROWD = "<!-- crowd: begin -->", "<!-- crowd: end -->"
EVERY = 25
"""Actions between two looks at the memory."""
QUIET = 30.0
"""Seconds without trainings and uploads."""


@dataclass
class Curve:
    """MB of the app's process after so many actions, and what they were."""

    points: list[tuple[int, float]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    left: float = 0.0


@contextmanager
def app_server() -> Iterator[tuple[str, int]]:
    """The address and the process of a separate server; the errors that it logs are printed when it ends."""
    command = [sys.executable, "-m", "gallop", "app", "--no-browser", "--keep", "2m", "--port"]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), command, ROOT) as (address, process):
        # `gallop app` starts it
        (server,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield address, int(server)
        log = Path(folder, "log.txt").read_text(encoding="utf-8", errors="replace")
        if "Traceback" in log:
            print(log, file=sys.stderr)


def soak(actions: int, seed: int, rest: float) -> Curve:
    """Return the curve of so many actions; ``rest`` is how many seconds after the visitor left are waited."""
    curve, start = Curve(), time.perf_counter()
    files = [(photo.path.name, photo.path.read_bytes()) for photo in sample_photos()]
    with app_server() as (address, server):
        browser = Browser(address)
        visitor = Visitor(browser, random.Random(seed), files)
        for number in range(actions):
            if number % EVERY == 0:
                curve.points.append((number, resident(server)))
                print(*curve.points[-1], flush=True)
            visitor.act()
            curve.problems += [f"action {number}: {each}" for each in browser.problems]
            browser.problems.clear()
        curve.points.append((actions, resident(server)))
        browser.close()
        time.sleep(rest)
        curve.left = resident(server)
        curve.done = dict(visitor.done)
    curve.seconds = time.perf_counter() - start
    return curve


def table(curve: Curve) -> str:
    """Markdown of the memory after some of the actions."""
    last = curve.points[-1][0]
    shown = [point for point in curve.points if point[0] in (0, 100, 250, 500, last) or point[0] % 1000 == 0]
    done = ", ".join(f"{count} x {kind}" for kind, count in sorted(curve.done.items()))
    return (
        f"| actions | {' | '.join(str(number) for number, _ in shown)} | the visitor has left |\n"
        + "|---" * (len(shown) + 2)
        + f"|\n| MB | {' | '.join(f'{size:.0f}' for _, size in shown)} | {curve.left:.0f} |\n\n"
        f"{datetime.date.today()}, {machine()}; {curve.seconds / 60:.0f} minutes. {done}; "
        f"{len(curve.problems)} failures shown.\n\n![Memory over actions](soak.svg)"
    )


def write(curve: Curve) -> None:
    """Put the table into the benchmarks' README, and the curve beside it."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*curve.points, strict=True))
    axes.set(xlabel="actions", ylabel="MB", ylim=(0, None))
    with matplotlib.rc_context({"svg.hashsalt": "gallop", "svg.fonttype": "path"}):
        figure.savefig(README.with_name("soak.svg"), metadata={"Date": None}, facecolor="white")
    replace_between(README, *CLICKS, table(curve))


def crowd_table(seen: Seen, visitors: int, trainings: int, files: int) -> str:
    """Markdown of what a crowd has met with."""
    lines = ["| pages of the others, seconds | p50 | p95 | longest | pages |", "|---|---|---|---|---|"]
    during = f"during {trainings} trainings and an upload of {files} photos"
    for words, times in (("without trainings and uploads", seen.quiet), (during, seen.busy)):
        if len(times) > 1:
            ends = (percentile(times, 50), percentile(times, 95), max(times))
            lines.append(f"| {words} | {' | '.join(f'{seconds:.2f}' for seconds in ends)} | {len(times)} |")
    waited = ", ".join(f"{trainer.ended - trainer.asked:.0f} s" for trainer in seen.trainers)
    checks = "; ".join(seen.problems) or "each saw his answers alone, and the true number of trainings ahead of his"
    return "\n".join(lines) + (
        f"\n\n{datetime.date.today()}, {machine()}, {os.cpu_count()} cores that the {visitors} visitors use too. "
        f"The photos were sent in {seen.sending:.0f} s and read in {seen.reading:.0f} s ({seen.taken}); from click to "
        f"end the trainings took {waited}. Of all visitors: {checks}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rest", type=float, default=240.0, help="seconds after the visitor has left")
    parser.add_argument("--visitors", type=int, help="at once, in place of one and his actions")
    parser.add_argument("--trainings", type=int, default=3)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md")
    options = parser.parse_args()
    if options.visitors:
        with app_server() as (address, _):
            seen = crowd(address, options.visitors, options.trainings, photos(options.files), QUIET)
        text = crowd_table(seen, options.visitors, options.trainings, options.files)
        print(text)
        if options.write:
            replace_between(README, *CROWD, text)
        return
    curve = soak(options.actions, options.seed, options.rest)
    print(table(curve), *curve.problems[:20], sep="\n")
    if options.write:
        write(curve)


if __name__ == "__main__":
    main()
