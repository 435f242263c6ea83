"""Records in; ``results.csv`` with every figure and ``tables.md`` in the paper's form out.

Both depend on the figures alone, so equal records give equal bytes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from gallop.documents.markdown import markdown_line, markdown_table
from gallop.lab.bench.plan import UNTAUGHT, BenchRun, Plan
from gallop.lab.bench.runner import Record
from gallop.predictions.rows import csv_cell
from gallop.runtime.writing import write_file
from gallop.wording import counted

TABLES, CSV = "tables.md", "results.csv"
_NOTES = """\
In %, mean ± standard deviation (n - 1) over seeds; an average is over sets, its deviation over seeds of that average.
(2 of 3): so many of the planned runs are in the figure. – has diverged; an empty cell has not been run yet, and lines
and columns of such cells alone are left out. **Bold**: the best of a column in which every run is done; differences may
be within the spread."""
COLUMNS = (
    *("method", "group", "set", "test", "unknown", "shots", "seed"),
    *("metric", "value", "n", "seconds", "key"),
)
"""Of ``results.csv``."""
FAILED = "–"
"""The cell of runs that diverged; one of runs that have not been made is empty."""


@dataclass(frozen=True)
class MeanCell:
    """A mean over sets and seeds.

    Attributes:
        mean: over sets of the means over seeds; None where no run has a figure.
        spread: standard deviation (n - 1) over seeds of the mean over sets; None with fewer than two seeds.
        done, planned, failed: runs with the figure, those that are to be, and those that diverged.
    """

    mean: float | None
    spread: float | None
    done: int
    planned: int
    failed: int

    @property
    def complete(self) -> bool:
        """Every planned run is in the mean."""
        return self.mean is not None and self.done == self.planned

    @property
    def text(self) -> str:
        """In percent: mean, spread, and how many runs are in it where some are missing."""
        if self.mean is None:
            return FAILED if self.failed else ""
        spread = "" if self.spread is None else f" ± {100 * self.spread:.1f}"
        missing = "" if self.complete else f" ({self.done} of {self.planned})"
        return f"{100 * self.mean:.1f}{spread}{missing}"


class Results:
    """A plan and the records that there are.

    Args:
        records: by key; those of other plans do no harm.
    """

    def __init__(self, plan: Plan, records: Mapping[str, Record]) -> None:
        self.plan, self.spec = plan, plan.spec
        self.records = {run.key: records[run.key] for run in plan.runs if run.key in records}
        self._runs: dict[str, list[BenchRun]] = {}
        for line, run in plan.entries:
            self._runs.setdefault(line.label, []).append(run)

    @property
    def failures(self) -> list[Record]:
        """Runs that diverged, in the order of the plan."""
        return [record for record in self.records.values() if record.failed]

    @property
    def main_shots(self) -> int:
        """The shots of the main table: the most at which anything of it has been run."""
        done = {run.shots for line, run in self.plan.entries if not line.group and run.key in self.records}
        return max(done - {UNTAUGHT} or self.spec.shots)

    def mean(
        self, label: str, metric: str, shots: int, sets: Sequence[str], test: str = "", unknown: str = ""
    ) -> MeanCell:
        """Return a figure of a line, averaged over the sets that it was trained on, and over seeds.

        Args:
            test: the set whose test photos the figure is about; empty for those of the training set.
            unknown: against one group of unknown photos; empty for the mean over all groups, or for accuracies.
        """
        values: dict[str, dict[int, float]] = {}
        planned = failed = 0
        for run in self._runs.get(label, ()):
            if run.shots not in (shots, UNTAUGHT) or run.set not in sets:
                continue
            planned += 1
            if record := self.records.get(run.key):
                failed += bool(record.failed)
                value = record.value(test or run.set, metric, unknown)
                if value is not None:
                    values.setdefault(run.set, {})[run.seed] = value
        # A line that learns nothing has one value of a set, which counts for all shots and seeds.
        taught = values and all(run.shots != UNTAUGHT for run in self._runs[label])
        common = set.intersection(*map(set, values.values())) if taught else set[int]()
        by_seed = [fmean(each[seed] for each in values.values()) for seed in sorted(common)]
        return MeanCell(
            mean=fmean(fmean(each.values()) for each in values.values()) if values else None,
            spread=stdev(by_seed) if len(by_seed) > 1 else None,
            done=sum(map(len, values.values())),
            planned=planned,
            failed=failed,
        )

    def scores(self, label: str) -> list[str]:
        """Return the outlier scores of which a line has figures, in the order in which the method gives them."""
        there = [self.records[run.key] for run in self._runs.get(label, ()) if run.key in self.records]
        metrics = [each.metric for record in there for each in record.figures]
        return list(dict.fromkeys(metric[6:] for metric in metrics if metric.startswith("fpr95/")))

    def asked(self, group: str = "") -> list[str]:
        """Return the sets whose runs are asked about a group of unknown photos, or about any."""
        groups, skip = [group] if group else self.plan.unknown, self.spec.unknown.skip
        return [name for name in self.plan.sets if any(each not in skip.get(name, ()) for each in groups)]

    def csv(self) -> bytes:
        """Return the tidy table, a row a figure and place, in UTF-8 and safe for spreadsheets."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for line, run in self.plan.entries:
            if record := self.records.get(run.key):
                for each in record.figures:
                    place = line.heading, line.group, run.set, each.test, each.unknown, run.shots, run.seed
                    figure = each.metric, each.value, each.n, round(record.seconds, 3), run.key
                    writer.writerow(map(csv_cell, (*place, *figure)))
        return text.getvalue().encode("utf-8", "backslashreplace")


def write_outcome(results: Results, out: Path) -> list[Path]:
    """Write ``results.csv`` and ``tables.md`` into OUT; returns the files."""
    files = {CSV: results.csv(), TABLES: tables(results).encode()}
    for name, content in files.items():
        write_file(out / name, content)
    return [out / name for name in files]


def tables(results: Results) -> str:
    """Return all tables as Markdown."""
    spec, shots, sets = results.spec, results.main_shots, results.plan.sets
    at = counted(shots, "shot")
    columns = _by_set(shots, sets)
    columns |= {
        f"{source} to {target}": ("accuracy", shots, [source], target)
        for source in sets
        for target in spec.transfer.get(source, ())
    }
    parts = [
        f"# {markdown_line(spec.name)}",
        markdown_line(spec.about),
        f"{len(results.records)} of {len(results.plan.runs)} runs are done. Seeds: {', '.join(map(str, spec.seeds))}. "
        f"Backbones: {', '.join(_backbones(results)) or '–'}.",
        _NOTES,
        *_part(results, f"Accuracy, {at}", "", columns),
    ]
    if len(spec.shots) > 1:
        columns = {counted(n, "shot"): ("accuracy", n, sets, "") for n in spec.shots}
        parts += _part(results, "Accuracy over shots, average of the sets", "", columns)
    parts += _unknown(results, "fpr95", f"Unknown photos that pass (FPR95), average of the sets, {at}", min)
    parts += _unknown(results, "auroc", f"Known against unknown photos (AUROC), average of the sets, {at}", max)
    for group in dict.fromkeys(line.group for line in spec.lines if line.group):
        lines = spec.group(group)
        here = [name for name in sets if lines[0].sets is None or name in lines[0].sets]
        for n in lines[0].shots:
            columns = _by_set(n, here)
            for branch in ("global", "local", "head"):
                columns[f"{branch} alone"] = (f"accuracy_{branch}", n, here, "")
            parts += _part(results, f"Ablation: {group}, {counted(n, 'shot')}", group, columns)
    if results.failures:
        parts.append("## Runs that diverged")
    parts += [
        markdown_line(f"- {run.method} on {run.set}, {counted(run.shots, 'shot')}, seed {run.seed}: {run.failed}")
        for run in results.failures
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _backbones(results: Results) -> list[str]:
    return sorted({markdown_line(str(record.machine.get("backbone"))) for record in results.records.values()})


def _by_set(shots: int, sets: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    columns: dict[str, tuple[Any, ...]] = {name: ("accuracy", shots, [name], "") for name in sets}
    return columns | ({"average": ("accuracy", shots, sets, "")} if len(sets) > 1 else {})


def _part(results: Results, title: str, group: str, columns: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """A table of the methods, or the variants of a group; ``columns``: heading -> arguments of ``Results.mean``."""
    rows: dict[tuple[str, ...], list[MeanCell]] = {
        (line.heading,): [results.mean(line.label, *place) for place in columns.values()]
        for line in results.spec.group(group)
    }
    return _table(title, ["variant" if group else "method"], rows, list(columns), max)


def _unknown(results: Results, metric: str, title: str, better: Callable[[Sequence[float]], float]) -> list[str]:
    heads = dict(zip(results.plan.unknown, results.plan.unknown, strict=True))
    heads |= {"average": ""} if len(heads) > 1 else {}
    rows: dict[tuple[str, ...], list[MeanCell]] = {
        (line.label, score): [
            results.mean(line.label, f"{metric}/{score}", results.main_shots, results.asked(group), unknown=group)
            for group in heads.values()
        ]
        for line in results.spec.group()
        for score in results.scores(line.label)
    }
    return _table(title, ["method", "score"], rows, list(heads), better)


def _table(
    title: str,
    words: list[str],
    rows: Mapping[tuple[str, ...], list[MeanCell]],
    heads: list[str],
    better: Callable[[Sequence[float]], float],
) -> list[str]:
    """A heading and a table without empty lines and columns, the best of a finished column in bold; none where all is
    empty.
    """
    shown = {names: row for names, row in rows.items() if any(one.text for one in row)}
    columns = [number for number in range(len(heads)) if any(row[number].text for row in shown.values())]
    if not columns:
        return []
    best = {
        number: better([each for row in shown.values() if (each := row[number].mean) is not None] or [0.0])
        for number in columns
        if sum(row[number].complete for row in shown.values()) > 1
        and all(row[number].done + row[number].failed == row[number].planned for row in shown.values())
    }
    cells = [
        [*names, *(f"**{one.text}**" if one.mean == best.get(i, "") else one.text for i in columns for one in [row[i]])]
        for names, row in shown.items()
    ]
    return [f"## {markdown_line(title)}", markdown_table([*words, *(heads[i] for i in columns)], cells, len(words))]
