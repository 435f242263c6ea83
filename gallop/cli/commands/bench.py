"""``gallop bench``: compare methods on data sets over shots and seeds."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gallop.cli.console import Console, columns
from gallop.data import content_hash
from gallop.errors import CommandError
from gallop.features.contents import KnownContents
from gallop.features.encoding import FeatureCache, default_cache_folder
from gallop.lab.bench.photos import no_photos, read_photos
from gallop.lab.bench.plan import BenchRun, Plan, make_plan
from gallop.lab.bench.runner import Backbones, RecordStore, Runner
from gallop.lab.bench.spec import read_spec
from gallop.lab.bench.tables import TABLES, Results, write_outcome
from gallop.wording import counted

CACHE_BYTES = 16 * 2**30
"""Of features; more than usual, because every method, shot and variant learns from the same views."""


def run(options: Namespace, console: Console) -> int:
    """Run what has no record yet, and write the tables from the records."""
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise CommandError(f"--out {out} is a file: choose a folder.")
    spec = read_spec(options.spec)
    spec = spec.narrowed(options.only, options.sets, options.shots, options.seeds)
    spec = replace(spec, backbone=options.backbone or spec.backbone)
    console.progress(f"reading the photos of {options.data}")
    folder = default_cache_folder()
    content = content_hash if options.dry_run else KnownContents(folder).sha256
    root, backbones, store = Path(options.data), Backbones(options.device), RecordStore(out)
    missing = options.dry_run and not root.is_file() and not any(root.glob("*"))
    photos = no_photos(spec) if missing else read_photos(spec, root, content)
    console.progress("loading the backbone")
    # A run that is only listed needs no backbone, but a name for one.
    plan = make_plan(spec, photos, "{} {}".format if missing else backbones.fingerprint)
    cache = FeatureCache(folder, CACHE_BYTES)
    runner = Runner(
        photos, backbones, store, cache, lambda event: console.progress(event.stage, event.done, event.total)
    )
    if missing:
        console.warn(
            f"{root} does not contain any photos yet, so only the benchmark itself was checked. With the data sets in "
            "place, --dry-run checks them, too."
        )
    stopped = False
    try:
        _execute(runner, () if options.dry_run else plan.runs, console)
    except KeyboardInterrupt:
        stopped = True
    console.progress("reading the records")
    results = Results(plan, store.read_all([run.key for run in plan.runs]))
    files = [] if options.dry_run else write_outcome(results, out)
    left = len(plan.runs) - len(results.records)
    if stopped:
        raise KeyboardInterrupt(
            f"Stopped, with {counted(left, 'run')} left. Run the same command again to continue. The results so far "
            f"are in {out}."
        )
    result = {
        "out": str(out),
        "sets": list(plan.sets),
        "unknown": list(plan.unknown),
        "runs": len(plan.runs),
        "done": len(results.records),
        "left": left,
        "failed": len(results.failures),
        "files": [str(file) for file in files],
    }
    done = f"{len(results.records)} of {counted(len(plan.runs), 'run')} done."
    told = _planned(plan) if options.dry_run else []
    console.result(result, lambda: [*told, done + (f" Tables: {out} ({TABLES})." if files else "")])
    return 0


def _planned(plan: Plan) -> list[str]:
    """Return the sets and seeds, and a table with a row for each line of the benchmark; lines may share runs."""
    rows = [["method", "sets", "shots", "runs"]]
    for line in plan.spec.lines:
        runs = {run.key: run for each, run in plan.entries if each is line}.values()
        shots = ", ".join(str(number) for number in sorted({run.shots for run in runs}) if number) or "none"
        rows.append([line.label, str(len({run.set for run in runs})), shots, str(len(runs))])
    return [f"Sets: {', '.join(plan.sets)}", f"Seeds: {', '.join(map(str, plan.spec.seeds))}", *columns(rows)]


def _execute(runner: Runner, runs: Sequence[BenchRun], console: Console) -> None:
    for number, run, record in runner.execute(runs):
        place = f", {counted(run.shots, 'shot')}, seed {run.seed}" if run.shots else ""
        name = f"{run.method} on {run.set}{place}"
        if record is None:
            console.progress("running", number - 1, len(runs), name)
        elif record.failed:
            console.warn(f"{name} has no results: {record.failed}")
        else:
            told = f"{name}: accuracy {100 * (record.value(run.set, 'accuracy') or 0):.1f}% in {record.seconds:.0f} s"
            console.progress("running", number, len(runs), told)
