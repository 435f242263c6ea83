"""``tables.md``: the figures in the paper's form. It depends on them alone, so equal records give equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gallop.documents.markdown import markdown_table
from gallop.documents.rendering import render
from gallop.lab.bench.definition.benchmark import AVERAGE, Claim, Spec
from gallop.lab.bench.reporting.claims import Verdict, judge, points
from gallop.lab.bench.reporting.results import MeanCell, Results, cell
from gallop.wording import counted

FAILED, EMPTY = "–", ""
"""The cells of runs that diverged, and of runs that have not been made."""


@dataclass(frozen=True)
class _Table:
    """A section of the page: columns of words at the left, figures at the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


def tables(results: Results) -> str:
    """Return everything but costs, as Markdown."""
    shots, sets = results.main_shots, results.plan.sets
    published, main = published_lines(results.spec, "accuracy", shots, sets), _each_and_average(shots, sets)
    parts = _part(results, f"Accuracy, {counted(shots, 'shot')}", "", main, published)
    parts += [*_over_shots(results), *_transfer(results), *_unknown(results)]
    for group in results.spec.ablations:
        parts += _ablation(results, group)
    return render(
        "lab/bench/reporting/tables.md.j2",
        spec=results.spec,
        done=len(results.records),
        planned=len(results.plan.runs),
        parts=parts,
        verdicts=[_verdict_row(verdict) for verdict in judge(results)],
        failures=results.failures,
        published=sources(results.spec),
        table=markdown_table,
        counted=counted,
    )


_Column = tuple[str, Sequence[tuple[str, int, str, str]]]
"""A heading, and what is averaged: (metric, shots, set, set that is tested on, empty for the same)."""


def _average(
    shots: int, sets: Sequence[str], heading: str = "average", metric: str = "accuracy", test: str = ""
) -> _Column:
    return heading, [(metric, shots, name, test) for name in sets]


def _each_and_average(shots: int, sets: Sequence[str]) -> list[_Column]:
    columns = [_average(shots, [name], name) for name in sets]
    return [*columns, _average(shots, sets)] if len(sets) > 1 else columns


def _over_shots(results: Results) -> list[_Table]:
    if len(results.spec.shots) < 2:
        return []
    columns = [_average(shots, results.plan.sets, counted(shots, "shot")) for shots in results.spec.shots]
    return _part(results, "Accuracy over shots, average of the sets", "", columns)


def _transfer(results: Results) -> list[_Table]:
    shots = results.main_shots
    parts: list[_Table] = []
    for source, targets in results.spec.transfer.items():
        if source not in results.plan.sets:
            continue
        columns = [_average(shots, [source], target, test=target) for target in targets]
        columns.insert(0, _average(shots, [source], source))
        columns.append(("mean", [place for _, places in columns for place in places]))
        others = published_lines(results.spec, "accuracy", shots, [source, *targets], trained=source)
        parts += _part(results, f"Trained on {source}, tested elsewhere, {counted(shots, 'shot')}", "", columns, others)
    return parts


def _unknown(results: Results) -> list[_Table]:
    groups = results.plan.unknown
    if not groups:
        return []
    shots = results.main_shots
    asked = {group: sets_asked(results, group) for group in (*groups, "")}
    lines = [(label, score) for label in results.spec.methods for score in results.scores(label)]
    heads = {group: group for group in groups} | ({"": "average"} if len(groups) > 1 else {})

    def cells(metric: str) -> list[list[MeanCell]]:
        return [
            [
                cell([results.sample(label, f"{metric}/{score}", shots, n, unknown=group) for n in asked[group]])
                for group in heads
            ]
            for label, score in lines
        ]

    fpr, auroc = _texts(cells("fpr95"), min), _texts(cells("auroc"), max)
    missing = [[_missing(one) for one in row] for row in cells("fpr95")]
    rows = [
        [label, score, *(f"{a} / {b}{c}" if a else EMPTY for a, b, c in zip(*row_texts, strict=True))]
        for (label, score), *row_texts in zip(lines, fpr, auroc, missing, strict=True)
    ]
    if not rows:
        return []
    return [
        _Table(
            title=f"Known against unknown photos, {counted(shots, 'shot')}: FPR95 / AUROC, average of the sets",
            head=["method", "score", *heads.values()],
            rows=[*rows, *_published_scores(results, shots, heads)],
            words=2,
        )
    ]


def _published_scores(results: Results, shots: int, heads: Mapping[str, str]) -> list[list[str]]:
    rows = []
    metrics = dict.fromkeys(entry.metric for entry in results.spec.published)
    for score in (metric.removeprefix("fpr95/") for metric in metrics if metric.startswith("fpr95/")):
        fpr, auroc = (
            {line.name: line for line in published_lines(results.spec, f"{metric}/{score}", shots, list(heads))}
            for metric in ("fpr95", "auroc")
        )
        for name in fpr:
            pairs = [fpr[name].texts(list(heads.values()))]
            pairs.append(auroc[name].texts(list(heads.values())) if name in auroc else [EMPTY] * len(heads))
            rows.append([name, score, *(f"{a} / {b}" if a else EMPTY for a, b in zip(*pairs, strict=True))])
    return rows


@dataclass(frozen=True)
class PublishedLine:
    """What others have published of a method: after our line for it, where there is one, and never bold.

    Attributes:
        values: column heading -> fraction.
    """

    method: str
    values: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.method}, published"

    def texts(self, headings: Sequence[str]) -> list[str]:
        """Return its cells, in percent."""
        return [f"{100 * self.values[each]:.1f}" if each in self.values else "" for each in headings]


def published_lines(
    spec: Spec, metric: str, shots: int, columns: Sequence[str], trained: str = ""
) -> list[PublishedLine]:
    """Return the lines that have a figure for one of the columns.

    An average is over what was published, so it is left out where one of its sets is no column here.
    """
    by_method: dict[str, dict[str, float]] = {}
    for entry in spec.published:
        if (entry.metric, entry.shots, entry.trained) == (metric, shots, trained):
            parts = {name: value for name, value in entry.values.items() if name != AVERAGE}
            here = by_method.setdefault(entry.method, {})
            here.update((name, value) for name, value in parts.items() if name in columns)
            if AVERAGE in entry.values and set(parts) <= set(columns):
                here[AVERAGE] = entry.values[AVERAGE]
    return [PublishedLine(method, values) for method, values in by_method.items() if values]


def sources(spec: Spec) -> dict[str, list[str]]:
    """Return where published figures are from, each with its methods."""
    return {
        source: list(dict.fromkeys(entry.method for entry in spec.published if entry.source == source))
        for source in dict.fromkeys(entry.source for entry in spec.published)
    }


def sets_asked(results: Results, group: str) -> list[str]:
    """Return the sets whose runs are asked about a group of unknown photos, or about any."""
    skip = results.spec.unknown.skip if results.spec.unknown else {}
    groups = [group] if group else results.plan.unknown
    return [name for name in results.plan.sets if any(g not in skip.get(name, ()) for g in groups)]


def _ablation(results: Results, group: str) -> list[_Table]:
    parts: list[_Table] = []
    labels, sets = results.group_labels(group), results.group_sets(group)
    for shots in results.spec.ablations[group].shots:
        columns = _each_and_average(shots, sets)
        branches = {"accuracy_global": "global alone", "accuracy_local": "local alone", "accuracy_head": "head alone"}
        for metric, heading in branches.items():
            if any(results.sample(label, metric, shots, name).values for label in labels for name in sets):
                columns.append(_average(shots, sets, heading, metric))
        parts += _part(results, f"Ablation: {group}, {counted(shots, 'shot')}", group, columns)
    return parts


def _verdict_row(verdict: Verdict) -> list[str]:
    row = [verdict.claim.claim, compared(verdict.claim), verdict.verdict]
    if verdict.mean is None:
        return [*row, *[EMPTY] * 4, f"0 of {verdict.planned}"]
    low, high = verdict.interval or (None, None)
    return [
        *row,
        points(verdict.mean),
        EMPTY if low is None or high is None else f"{points(low)} to {points(high)}",
        EMPTY if verdict.spread is None else f"{100 * verdict.spread:.1f}",
        f"{verdict.right} of {counted(verdict.sets, 'set')}",
        f"{verdict.pairs} of {verdict.planned}",
    ]


def compared(claim: Claim) -> str:
    """Return which figures a claim is about, in words."""
    first, second = claim.better, claim.than
    place = f"{counted(claim.shots, 'shot')}{f', tested on {claim.test}' if claim.test else ''}"
    if first.metric == second.metric:
        return f"{first.metric} of {first.label} and {second.label}, {place}"
    return f"{first.metric} of {first.label} and {second.metric} of {second.label}, {place}"


def _part(
    results: Results, title: str, group: str, columns: Sequence[_Column], others: Sequence[PublishedLine] = ()
) -> list[_Table]:
    """A table of the methods, or the variants of a group, without empty lines and columns; none where all are empty."""
    lines = [line for line in results.spec.lines.values() if line.group == group]
    cells = [
        [cell([results.sample(line.label, *place) for place in places]) for _, places in columns] for line in lines
    ]
    rows = [
        [line.heading, *(text + _missing(one) for text, one in zip(texts, row, strict=True))]
        for line, texts, row in zip(lines, _texts(cells, max), cells, strict=True)
        if any(texts)
    ]
    if not rows:
        return []
    head = ["variant" if group else "method", *(heading for heading, _ in columns)]
    filled = [0, *(i for i in range(1, len(head)) if any(row[i] for row in rows))]
    for other in others:
        place = next((i + 1 for i, row in enumerate(rows) if row[0] == other.method), len(rows))
        rows.insert(place, [other.name, *other.texts(head[1:])])
    return [_Table(title, [head[i] for i in filled], [[row[i] for i in filled] for row in rows])]


def _texts(cells: Sequence[Sequence[MeanCell]], better: Callable[[Sequence[float]], float]) -> list[list[str]]:
    """Cells as text, the best of each finished column in bold; a column with a single figure has no best.

    Lines of which nothing has been run, and which are left out, do not count. A run that diverged is finished.
    """
    texts = [[_figure(one) for one in row] for row in cells]
    shown = [row for row, line in zip(cells, texts, strict=True) if any(line)]
    for number in range(len(shown[0]) if shown else 0):
        means = [row[number].mean for row in shown if row[number].complete]
        if len(means) < 2 or any(row[number].left for row in shown):
            continue
        best = better([mean for mean in means if mean is not None])
        for row, line in zip(cells, texts, strict=True):
            if row[number].complete and row[number].mean == best:
                line[number] = f"**{line[number]}**"
    return texts


def cell_text(mean_cell: MeanCell) -> str:
    """Return a cell in percent: mean, spread, and how many runs are in it where some are missing."""
    return _figure(mean_cell) + _missing(mean_cell)


def _figure(mean_cell: MeanCell) -> str:
    if mean_cell.mean is None:
        return FAILED if mean_cell.failed else EMPTY
    spread = "" if mean_cell.spread is None else f" ± {100 * mean_cell.spread:.1f}"
    return f"{100 * mean_cell.mean:.1f}{spread}"


def _missing(mean_cell: MeanCell) -> str:
    return "" if mean_cell.complete or mean_cell.mean is None else f" ({mean_cell.done} of {mean_cell.planned})"
