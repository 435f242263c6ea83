"""``gallop bench``: compare methods on data sets over shots and seeds."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from dataclasses import replace
from pathlib import Path

from gallop.cli.console import Console, columns
from gallop.data import content_hash
from gallop.errors import CommandError
from gallop.features.contents import KnownContents
from gallop.features.encoding import FeatureCache, default_cache_folder
from gallop.lab.bench.definition.spec import read_spec
from gallop.lab.bench.reporting.results import Results
from gallop.lab.bench.reporting.tables import TABLES, write_outcome
from gallop.lab.bench.running.backbones import Backbones
from gallop.lab.bench.running.photos import read_photos
from gallop.lab.bench.running.plan import BenchRun, Plan, check_rules, make_plan
from gallop.lab.bench.running.records import RecordStore
from gallop.lab.bench.running.runner import Runner
from gallop.runtime.progress import StageEvent
from gallop.wording import counted

CACHE_BYTES = 16 * 2**30
"""Of features; more than usual, because every method, shot and variant learns from the same views."""


def run(options: Namespace, console: Console) -> int:
    """Run what has no record yet, and write the tables from the records."""
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise CommandError(f"--out {out} is a file: choose a folder.")
    spec = read_spec(options.spec)
    check_rules(spec)
    spec = spec.narrowed(options.only, options.sets, options.shots, options.seeds)
    spec = replace(spec, backbone=options.backbone or spec.backbone)
    console.progress(f"reading the photos of {options.data}")
    folder = default_cache_folder()
    content = content_hash if options.dry_run else KnownContents(folder).sha256
    photos = read_photos(spec, Path(options.data), content)
    console.progress("loading the backbone")
    backbones, store = Backbones(options.device), RecordStore(out)
    plan = make_plan(spec, photos, backbones.fingerprint)
    results = Results(plan, store.read_all([run.key for run in plan.runs]))
    left = [run for run in plan.runs if run.key not in results.records]
    if options.dry_run:
        return _dry_run(results, left, console)
    runner = Runner(photos, backbones, store, FeatureCache(folder, CACHE_BYTES), lambda event: _tell(console, event))
    try:
        _execute(runner, left, console)
    except KeyboardInterrupt:
        results, _ = _finish(plan, store, out, console)
        runs = counted(len(plan.runs) - len(results.records), "run")
        raise KeyboardInterrupt(
            f"Stopped, with {runs} left. Run the same command again to continue. The results so far are in {out}."
        ) from None
    results, files = _finish(plan, store, out, console)
    done = len(results.records)
    result = {
        "out": str(out),
        "runs": len(plan.runs),
        "done": done,
        "left": len(plan.runs) - done,
        "failed": len(results.failures),
        "files": [str(file) for file in files],
    }
    console.result(result, lambda: [*_table(results), "", f"Tables and a chart are in {out} ({TABLES})."])
    return 0


def _finish(plan: Plan, store: RecordStore, out: Path, console: Console) -> tuple[Results, list[Path]]:
    console.progress("writing tables")
    results = Results(plan, store.read_all([run.key for run in plan.runs]))
    return results, write_outcome(results, out)


def _execute(runner: Runner, runs: list[BenchRun], console: Console) -> None:
    for event in runner.execute(runs):
        if isinstance(event, StageEvent):
            _tell(console, event)
            continue
        run, record = event.run, event.record
        place = f", {counted(run.shots, 'shot')}, seed {run.seed}" if run.shots else ""
        name = f"{run.method} on {run.set}{place}"
        if record is None:
            console.progress("running", event.number - 1, event.total, name)
        elif record.failed:
            console.warn(f"{name} has no results: {record.failed}")
        else:
            told = f"{name}: accuracy {100 * (record.value(run.set, 'accuracy') or 0):.1f}% in {record.seconds:.0f} s"
            console.progress("running", event.number, event.total, told)


def _tell(console: Console, event: StageEvent) -> None:
    console.progress(event.stage, event.done, event.total)


def _table(results: Results) -> list[str]:
    shots, sets = results.main_shots, results.plan.sets
    head = f"accuracy at {counted(shots, 'shot')}, average of {counted(len(sets), 'set')} (%)"
    rows = [
        [line.label, results.mean(line.label, "accuracy", shots, sets).text or "-"] for line in results.spec.group()
    ]
    return columns([["method", head], *rows])


def _dry_run(results: Results, left: list[BenchRun], console: Console) -> int:
    """Show what there is to do. Nothing is trained and nothing written."""
    wanted, missing = (Counter(run.method for run in runs) for runs in (results.plan.runs, left))
    rows = [[method, str(count), str(count - missing[method])] for method, count in wanted.items()]
    result = {
        "runs": len(results.plan.runs),
        "left": len(left),
        "sets": list(results.plan.sets),
        "unknown": list(results.plan.unknown),
    }
    console.result(
        result, lambda: [f"sets: {', '.join(results.plan.sets)}", "", *columns([["method", "runs", "done"], *rows])]
    )
    return 0
