"""``gallop bench``: compare methods on data sets, and check the paper's claims."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from gallop.cli.console import Console, columns
from gallop.data import content_hash
from gallop.errors import CommandError
from gallop.features.contents import KnownContents
from gallop.features.encoding import FeatureCache, default_cache_folder
from gallop.lab.bench.definition.spec import read_spec, shipped_specs
from gallop.lab.bench.reporting.claims import judge, sentence
from gallop.lab.bench.reporting.costs import estimate
from gallop.lab.bench.reporting.results import Results, cell
from gallop.lab.bench.reporting.tables import cell_text
from gallop.lab.bench.reporting.write import TABLES, write_outcome
from gallop.lab.bench.running.backbones import Backbones
from gallop.lab.bench.running.photos import read_photos
from gallop.lab.bench.running.plan import BenchRun, Plan, make_plan
from gallop.lab.bench.running.records import Record, RecordStore
from gallop.lab.bench.running.runner import Runner
from gallop.runtime.progress import StageEvent
from gallop.wording import counted

CACHE_BYTES = 16 * 2**30
"""Of features; more than usual, because every method, shot and variant learns from the same views."""


def run(options: Namespace, console: Console) -> int:
    """Run what has no record yet, within the time, and write all tables from all records."""
    started = time.monotonic()
    if options.list:
        return _list(console)
    out = _checked(options)
    spec = read_spec(options.spec)
    if options.backbone and options.backbone != spec.backbone:
        spec = replace(
            spec.apart(f"The backbone is {options.backbone} instead of {spec.backbone}."), backbone=options.backbone
        )
    console.progress(f"reading the photos of {options.data}")
    content = content_hash if options.dry_run else KnownContents(default_cache_folder()).sha256
    photos = read_photos(spec, Path(options.data), options.sets, content)
    parts = [name for name, data in photos.asked.items() if data.incomplete]
    if parts:
        spec = spec.apart(f"Incomplete data sets: {', '.join(parts)}.")
    console.progress("loading the backbone")
    backbones = Backbones(options.device)
    plan = make_plan(spec, photos, backbones.fingerprint, options.shots, options.only)
    part = options.part or (1, 1)
    runs = plan.narrowed(only=options.only, sets=options.sets, shots=options.shots, seeds=options.seeds, part=part)
    if not runs and part == (1, 1):
        raise CommandError(
            "No run of the benchmark matches all of these options, because each method only runs with certain numbers "
            "of shots and on certain data sets. Leave out one or more of --only, --sets, --shots and --seeds."
        )
    if options.dry_run or out is None:
        there = {} if out is None else RecordStore(out).read_all([run.key for run in plan.runs])
        return _dry_run(plan, runs, there, console)
    store, cache = RecordStore(out), FeatureCache(default_cache_folder(), CACHE_BYTES)
    runner = Runner(photos, backbones, store, cache, partial(_tell, console))
    end = None if options.time is None else started + options.time
    try:
        _execute(runner, runs, end, console)
    except KeyboardInterrupt:
        left = _finish(plan, runs, store, out, console)
        raise KeyboardInterrupt(f"Stopped. {_left(left)} The results so far are in {out}.") from None
    _finish(plan, runs, store, out, console, tell=True)
    return 0


def _checked(options: Namespace) -> Path | None:
    """Return OUT, if the call can be carried out; None for a dry run without one."""
    if options.spec is None or options.data is None:
        raise CommandError("bench needs BENCHMARK and DATA. `gallop bench --list` shows the built-in benchmarks.")
    if options.out is None:
        if not options.dry_run:
            raise CommandError("bench needs --out DIR for its records and tables, or --dry-run to write nothing.")
        return None
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise CommandError(f"--out {out} is a file: choose a folder.")
    return out


def _list(console: Console) -> int:
    listed = [{"name": name, "about": read_spec(name).about} for name in shipped_specs()]
    console.result(listed, lambda: columns([["name", "about"], *([one["name"], one["about"]] for one in listed)]))
    return 0


def _execute(runner: Runner, runs: Sequence[BenchRun], end: float | None, console: Console) -> None:
    for event in runner.execute(runs):
        if isinstance(event, StageEvent):
            _tell(console, event)
        elif event.record is not None:
            name, record = _name(event.run), event.record
            if record.failed:
                console.warn(f"{name} has no results: {record.failed}")
            value = record.value(record.set, "accuracy")
            outcome = "failed" if value is None else f"accuracy {100 * value:.1f}%"
            seconds = record.seconds["fit"] + record.seconds["predict"]
            console.progress("running", event.number, event.total, f"{name}: {outcome} in {seconds:.0f} s")
        elif end is not None and time.monotonic() >= end:
            console.note("The time limit was reached, so no more runs are started.")
            return
        else:
            console.progress("running", event.number - 1, event.total, _name(event.run))


def _tell(console: Console, event: StageEvent) -> None:
    console.progress(event.stage, event.done, event.total)


def _name(run: BenchRun) -> str:
    place = f", {counted(run.shots, 'shot')}, seed {run.seed}" if run.shots else ""
    return f"{run.method} on {run.set}{place}"


def _finish(
    plan: Plan, runs: Sequence[BenchRun], store: RecordStore, out: Path, console: Console, *, tell: bool = False
) -> int:
    """Write all outputs from the records that exist now, and return how many runs are left."""
    console.progress("writing tables")
    results = Results(plan, store.read_all([run.key for run in plan.runs]))
    files = write_outcome(results, out)
    left = sum(run.key not in results.records for run in runs)
    if tell:
        result = {
            "out": str(out),
            "runs": len(runs),
            "done": len(runs) - left,
            "left": left,
            "failed": len(results.failures),
            "files": [str(file) for file in files],
            "claims": [asdict(verdict) | {"claim": verdict.claim.claim} for verdict in judge(results)],
        }
        console.result(result, lambda: _table(results, result))
        if left:
            console.note(_left(left))
    return left


def _table(results: Results, result: Mapping[str, Any]) -> list[str]:
    shots = results.main_shots
    of = f"average of {counted(len(results.plan.sets), 'set')}"
    accuracies = {
        label: cell([results.sample(label, "accuracy", shots, name) for name in results.plan.sets])
        for label in results.spec.methods
    }
    rows = [
        ["method", f"accuracy at {counted(shots, 'shot')}, {of} (%)"],
        *([label, cell_text(accuracy) or "-"] for label, accuracy in accuracies.items()),
    ]
    claims = [f"{verdict.claim.claim} {sentence(verdict)}" for verdict in judge(results) if verdict.mean is not None]
    return [
        *columns(rows),
        "",
        *([*claims, ""] if claims else []),
        f"{result['done']} of {result['runs']} runs are done. Tables and charts are in {result['out']} ({TABLES}).",
    ]


def _dry_run(plan: Plan, runs: Sequence[BenchRun], records: Mapping[str, Record], console: Console) -> int:
    """Show what there is to do. Nothing is trained and nothing written."""
    wanted, done = Counter(run.method for run in runs), Counter(run.method for run in runs if run.key in records)
    left = [run for run in runs if run.key not in records]
    seconds, unknown = estimate(left, records)
    sets = [name for name in plan.sets if any(run.set == name for run in runs)]
    result = {
        "runs": len(runs),
        "done": sum(done.values()),
        "left": len(left),
        "sets": sets,
        "unknown": list(plan.unknown),
        "methods": {method: {"runs": count, "done": done[method]} for method, count in wanted.items()},
        "seconds": round(seconds, 1) if len(left) > unknown else None,
        "runs_without_estimate": unknown,
    }
    rows = [
        ["method", "runs", "done"],
        *([method, str(count), str(done[method])] for method, count in wanted.items()),
        ["all", str(len(runs)), str(sum(done.values()))],
    ]
    lines = [f"{counted(len(sets), 'set')}: {', '.join(sets)}", "", *columns(rows), ""]
    console.result(result, lambda: [*lines, _duration(seconds, unknown, len(left))])
    return 0


def _duration(seconds: float, unknown: int, left: int) -> str:
    if not left:
        return "There is nothing left to do."
    if unknown == left:
        return "The duration can be estimated once some runs are done."
    more = f", plus {counted(unknown, 'run')} of methods that have not run yet" if unknown else ""
    unit, name = next(
        (size, name) for size, name in ((3600, "h"), (60, "min"), (1, "s")) if seconds >= 1.5 * size or size == 1
    )
    about = f"{seconds / unit:.{int(unit == 3600)}f} {name}"
    return f"The rest takes about {about}{more}, estimated from the runs that are done."


def _left(count: int) -> str:
    return f"{counted(count, 'run')} {'is' if count == 1 else 'are'} left. Run the same command again to continue."
