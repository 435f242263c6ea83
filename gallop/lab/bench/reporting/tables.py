"""``tables.md``: the figures in the paper's form. It depends on them alone, so equal records give equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gallop.documents.markdown import markdown_line, markdown_table
from gallop.lab.bench.reporting.charts import CHART, accuracy_over_shots, svg
from gallop.lab.bench.reporting.results import MeanCell, Results
from gallop.runtime.writing import write_file
from gallop.wording import counted

TABLES, CSV = "tables.md", "results.csv"
_NOTES = """\
In %, mean ± standard deviation (n - 1) over seeds; an average is over sets, its deviation over seeds of that average.
(2 of 3): so many of the planned runs are in the figure. – has diverged; an empty cell has not been run yet, and lines
and columns of such cells alone are left out. **Bold**: the best of a column in which every run is done; differences may
be within the spread."""


def write_outcome(results: Results, out: Path) -> list[Path]:
    """Write ``results.csv``, ``tables.md`` and the chart into OUT; returns the files."""
    files = {CSV: results.csv(), TABLES: tables(results).encode()}
    chart = accuracy_over_shots(results)
    if chart is not None:
        files[CHART] = svg(chart)
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
