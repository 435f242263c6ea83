"""Many photos on this machine: rate against that of the backbone alone, memory, growth, kills, listing, ``--draft``.

    python -m benchmarks.many WORK PHOTOS [--sizes 1000 10000 100000] [--workers 2] [--kills 5] [--names 1000000]

PHOTOS is any folder of JPEGs; sources of the sizes are made of them in WORK (some ten kilobytes a photo). The
rate of the backbone alone is taken before and after each size, in as many processes with the same threads, photos and
batches.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import datetime
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.many.draft import Moved, moved
from benchmarks.many.files import distinct_photos, make_names, make_source
from benchmarks.many.processes import Answered, Job, Survived, backbone_rate, survive
from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier

BEGIN, END = "<!-- many: begin -->", "<!-- many: end -->"
RATE_SECONDS = 20.0
CLASS_NAMES = (
    "airplane",
    "camera",
    "chair",
    "flower",
    "forest",
    "guitar",
    "jacket",
    "plastic bottle",
    "shoe",
    "street",
)


@dataclass(frozen=True)
class Size:
    """One size of a source: what was answered, and what the backbone alone does meanwhile."""

    answered: Answered
    alone: float

    @property
    def ratio(self) -> float:
        return self.answered.rate / self.alone


@dataclass(frozen=True)
class Report:
    """All that was measured."""

    workers: int
    sizes: Sequence[Size]
    survived: Survived | None
    listing: dict[str, float] | None
    draft: Moved | None


def measure(options: argparse.Namespace) -> Report:
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    photos = distinct_photos(options.photos)
    model = work / "model"
    if not model.exists():
        GalLoPClassifier("mini", device="cpu").zero_shot(CLASS_NAMES).save(model)
    sizes, survived = [], None
    for count in options.sizes:
        source = make_source(work / f"photos-{count}", photos, count)
        job = _job(source, model, work / f"answers-{count}", options)
        before = backbone_rate(source, options.workers, options.seconds)
        answered = job.finish()
        after = backbone_rate(source, options.workers, options.seconds)
        sizes.append(Size(answered, (before + after) / 2))
        _log(f"{count} photos", {**asdict(answered), "alone": [before, after], "ratio": sizes[-1].ratio})
        if options.kills and survived is None:
            again = _job(source, model, work / f"killed-{count}", options)
            survived = survive(again, job.rows(), options.kills, answered.seconds)
            _log("kills", asdict(survived))
    listing = _listing(make_names(work / f"names-{options.names}", options.names)) if options.names else None
    draft = moved(photos[:: max(len(photos) // options.draft, 1)], CLASS_NAMES) if options.draft else None
    return Report(options.workers, sizes, survived, listing, draft)


def _job(source: Path, model: Path, out: Path, options: argparse.Namespace) -> Job:
    shutil.rmtree(out, ignore_errors=True)
    return Job(source, model, out, options.workers, options.shard_size)


def _listing(source: Path) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.many.listing", str(source)]
    facts: dict[str, float] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return facts


def _log(what: str, facts: dict[str, Any]) -> None:
    print(f"{what}: {json.dumps(facts)}", file=sys.stderr, flush=True)


def table(report: Report) -> str:
    """As Markdown, with the machine."""
    lines = [
        f"{datetime.date.today().isoformat()}, {machine()}; `mini`, {report.workers} processes that share the cores.",
        "",
        "| photos | a second | the backbone alone | ratio | peak memory of a process |",
        "|---|---|---|---|---|",
    ]
    for size in sorted(report.sizes, key=lambda size: size.answered.photos):
        done = size.answered
        lines.append(
            f"| {done.photos:,} | {done.rate:.1f} | {size.alone:.1f} | {size.ratio:.2f} | {done.peak / 1e6:.0f} MB |"
        )
    if report.survived:
        killed = report.survived
        lines += [
            "",
            f"Killed (-9) {killed.kills} times at random moments and called again: {killed.rows:,} rows, "
            f"{killed.twice} twice, {killed.missing} missing, {killed.different} different from "
            f"those of an undisturbed call.",
        ]
    if report.listing:
        names, seconds, megabytes = (report.listing[name] for name in ("names", "seconds", "megabytes"))
        lines += ["", f"Listing {names:,.0f} names: {seconds:.1f} s, {megabytes:.0f} MB."]
    if report.draft:
        draft = report.draft
        lines += [
            "",
            f"`--draft` on {draft.photos} photos of four times the backbone's side: {draft.times:.1f} times as fast to "
            f"decode and resize; the largest change of a photo's probabilities is {draft.mean:.3f} in the mean and "
            f"{draft.most:.3f} at most, and {100 * draft.labels:.1f}% of the labels are others.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for sources and answers, made where it is not there")
    parser.add_argument("photos", type=Path, help="folder of JPEGs that sources are made of")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-size", type=int, default=500, help="photos of a table: a killed process loses fewer")
    parser.add_argument(
        "--seconds", type=float, default=RATE_SECONDS, help="that the rate of the backbone alone is taken over"
    )
    parser.add_argument("--kills", type=int, default=5, help="of a job on the first size; 0 leaves it out")
    parser.add_argument("--names", type=int, default=1_000_000, help="to list; 0 leaves it out")
    parser.add_argument("--draft", type=int, default=500, help="photos to decode smaller; 0 leaves it out")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    text = table(measure(options))
    print(text)
    if options.write:
        replace_between(README, BEGIN, END, text)


if __name__ == "__main__":
    main()
