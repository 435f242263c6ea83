"""Time and memory: ``costs.md``, and how long the runs that are left may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from gallop.documents.markdown import markdown_table
from gallop.documents.rendering import render
from gallop.lab.bench.reporting.results import Results
from gallop.lab.bench.running.plan import BenchRun
from gallop.lab.bench.running.records import Record


def costs(results: Results) -> str:
    """Return time and memory of the runs, line by line, as Markdown."""
    rows = []
    for label in results.spec.lines:
        if records := results.records_of(label):
            rows.append([label, *_cost(records)])
    return render(
        "lab/bench/reporting/costs.md.j2",
        name=results.spec.name,
        rows=rows,
        machines=sorted(
            {
                f"{run.machine.get('processor')}, {run.machine.get('threads')} threads, {run.machine.get('device')}, "
                f"torch {run.versions.get('torch')}, backbone {run.backbone.get('name')}"
                for run in results.records.values()
            }
        ),
        table=markdown_table,
    )


def _cost(records: Sequence[Record]) -> list[str]:
    fit = [record.seconds["fit"] for record in records]
    each = [record.seconds["fit"] / record.photos for record in records if record.photos]
    return [
        str(len(records)),
        f"{max(record.seconds['encode'] for record in records):.2f} s",
        f"{fmean(fit):.2f} s",
        f"{max(fit):.2f} s",
        f"{1000 * fmean(each):.0f} ms" if each else "",
        f"{fmean(record.seconds['predict'] for record in records):.2f} s",
        f"{fmean(sum(record.seconds.values()) for record in records):.2f} s",
        f"{max(record.peak_bytes for record in records) / 1e6:.0f} MB",
    ]


def estimate(left: Iterable[BenchRun], records: Mapping[str, Record]) -> tuple[float, int]:
    """Return seconds that runs may take, from finished ones of the same method, and for how many of them nothing is
    known.

    Learning takes time by the photo; answering does not depend on the shots.
    """
    rates: dict[str, tuple[float, float]] = {}
    for method in {record.method for record in records.values()}:
        finished = [record for record in records.values() if record.method == method]
        photos = sum(record.photos for record in finished)
        fit = sum(record.seconds["fit"] + record.seconds["encode"] for record in finished)
        rates[method] = fit / photos if photos else fit / len(finished), fmean(r.seconds["predict"] for r in finished)
    seconds, unknown = 0.0, 0
    for run in left:
        if run.method in rates:
            fit, predict = rates[run.method]
            seconds += fit * max(run.photos, 1) + predict
        else:
            unknown += 1
    return seconds, unknown
