"""``tables.md``: the figures in the paper's form. It depends on them alone, so equal records give equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gallop.bench.definition.benchmark import Claim
from gallop.bench.reporting.claims import Verdict, judge, points
from gallop.bench.reporting.markdown import counted, markdown_table
from gallop.bench.reporting.published import PublishedLine, published_lines, sources
from gallop.bench.reporting.results import MeanCell, Results, Sample, cell
from gallop.documents.rendering import render

FAILED, EMPTY = "–", ""
"""What stands for runs that diverged, and for runs that have not been made."""


@dataclass(frozen=True)
class _Table:
    """A section of the page: columns of words at the left, figures at the right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


def tables(results: Results) -> str:
    """Return everything but costs, as Markdown."""
    parts = [*_main(results), *_over_shots(results), *_transfer(results), *_unknown(results)]
    for group in results.spec.ablations:
        parts += _ablation(results, group)
    return render(
        "bench/reporting/tables.md.j2",
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


def main_shots(results: Results) -> int:
    """Return the shots of the main table: the most at which anything has been run."""
    return max(results.shots_done(results.main_labels()) or results.spec.shots)


@dataclass(frozen=True)
class _Column:
    """A column of figures: its heading and, for each line, the samples that are averaged."""

    heading: str
    samples: Callable[[str], list[Sample]]


def _accuracy(results: Results, shots: int, sets: Sequence[str], metric: str = "accuracy", test: str = "") -> _Column:
    def samples(label: str) -> list[Sample]:
        return [results.sample(label, metric, shots, name, test=test) for name in sets]

    return _Column(sets[0] if len(sets) == 1 else "average", samples)


def _main(results: Results) -> list[_Table]:
    shots, sets = main_shots(results), results.plan.sets
    columns = [_accuracy(results, shots, [name]) for name in sets]
    if len(sets) > 1:
        columns.append(_accuracy(results, shots, sets))
    others = published_lines(results.spec, "accuracy", shots, sets)
    return _part(f"Accuracy, {counted(shots, 'shot')}", "method", results.main_labels(), columns, others=others)


def _over_shots(results: Results) -> list[_Table]:
    if len(results.spec.shots) < 2:
        return []

    def column(shots: int) -> _Column:
        return _Column(counted(shots, "shot"), _accuracy(results, shots, results.plan.sets).samples)

    columns = [column(shots) for shots in results.spec.shots]
    return _part("Accuracy over shots, average of the sets", "method", results.main_labels(), columns)


def _transfer(results: Results) -> list[_Table]:
    shots = main_shots(results)
    parts: list[_Table] = []
    for source, targets in results.spec.transfer.items():
        if source not in results.plan.sets:
            continue
        own = _accuracy(results, shots, [source])
        others = [_Column(t, _accuracy(results, shots, [source], test=t).samples) for t in targets]

        def both(label: str, columns: Sequence[_Column] = (own, *others)) -> list[Sample]:
            return [sample for column in columns for sample in column.samples(label)]

        title = f"Trained on {source}, tested elsewhere, {counted(shots, 'shot')}"
        told = published_lines(results.spec, "accuracy", shots, [source, *targets], trained=source)
        parts += _part(title, "method", results.main_labels(), [own, *others, _Column("mean", both)], others=told)
    return parts


def _unknown(results: Results) -> list[_Table]:
    groups = results.plan.unknown
    if not groups:
        return []
    shots = main_shots(results)
    asked = {group: sets_asked(results, group) for group in (*groups, "")}
    lines = [(label, score) for label in results.main_labels() for score in results.scores(label)]
    heads = {group: group for group in groups} | ({"": "average"} if len(groups) > 1 else {})

    def cells(metric: str) -> list[list[MeanCell]]:
        return [
            [
                cell([results.sample(label, f"{metric}/{score}", shots, n, unknown=group) for n in asked[group]])
                for group in heads
            ]
            for label, score in lines
        ]

    columns = len(heads)
    fpr, auroc = _texts(cells("fpr95"), [True] * columns), _texts(cells("auroc"), [False] * columns)
    missing = [[_missing(one) for one in row] for row in cells("fpr95")]
    rows = [
        [label, score, *(f"{a} / {b}{c}" if a else EMPTY for a, b, c in zip(*found, strict=True))]
        for (label, score), *found in zip(lines, fpr, auroc, missing, strict=True)
    ]
    rows += _published_scores(results, shots, heads) if rows else []
    title = f"Known against unknown photos, {counted(shots, 'shot')}: FPR95 / AUROC, average of the sets"
    return [_Table(title, ["method", "score", *heads.values()], rows, words=2)] if rows else []


def _published_scores(results: Results, shots: int, heads: Mapping[str, str]) -> list[list[str]]:
    metrics = [entry.metric for entry in results.spec.published if entry.metric.startswith("fpr95/")]
    rows = []
    for score in dict.fromkeys(metric.removeprefix("fpr95/") for metric in metrics):
        fpr, auroc = (
            {line.name: line for line in published_lines(results.spec, f"{metric}/{score}", shots, list(heads))}
            for metric in ("fpr95", "auroc")
        )
        for name in fpr:
            pairs = [fpr[name].texts(list(heads.values()))]
            pairs.append(auroc[name].texts(list(heads.values())) if name in auroc else [EMPTY] * len(heads))
            rows.append([name, score, *(f"{a} / {b}" if a else EMPTY for a, b in zip(*pairs, strict=True))])
    return rows


def sets_asked(results: Results, group: str) -> list[str]:
    """Return the sets whose runs are asked about a group of unknown photos, or about any."""
    skip = results.spec.unknown.skip if results.spec.unknown else {}
    groups = [group] if group else results.plan.unknown
    return [name for name in results.plan.sets if any(g not in skip.get(name, ()) for g in groups)]


def _ablation(results: Results, group: str) -> list[_Table]:
    parts: list[_Table] = []
    labels = results.group_labels(group)
    sets = [name for name in results.plan.sets if any(name in results.sets_of(label) for label in labels)]
    for shots in results.spec.ablations[group].shots:
        columns = [_accuracy(results, shots, [name]) for name in sets]
        if len(sets) > 1:
            columns.append(_accuracy(results, shots, sets))
        branches = {"accuracy_global": "global alone", "accuracy_local": "local alone", "accuracy_head": "head alone"}
        for metric, heading in branches.items():
            column = _Column(heading, _accuracy(results, shots, sets, metric).samples)
            if any(sample.values for label in labels for sample in column.samples(label)):
                columns.append(column)
        prefix = f"{group} / "
        names = [label.removeprefix(prefix) for label in labels]
        parts += _part(f"Ablation: {group}, {counted(shots, 'shot')}", "variant", labels, columns, names)
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
    title: str,
    what: str,
    labels: Sequence[str],
    columns: Sequence[_Column],
    shown: Sequence[str] | None = None,
    others: Sequence[PublishedLine] = (),
) -> list[_Table]:
    """A table without empty lines and columns; nothing where all of ours are empty."""
    cells = [[cell(column.samples(label)) for column in columns] for label in labels]
    texts = _texts(cells, [False] * len(columns))
    rows = [
        [name, *(text + _missing(one) for text, one in zip(line, row, strict=True))]
        for name, line, row in zip(shown or labels, texts, cells, strict=True)
        if any(line)
    ]
    if not rows:
        return []
    head = [what, *(column.heading for column in columns)]
    kept = [0, *(i for i in range(1, len(head)) if any(row[i] for row in rows))]
    for other in others:
        place = next((i + 1 for i, row in enumerate(rows) if row[0] == other.method), len(rows))
        rows.insert(place, [other.name, *other.texts(head[1:])])
    return [_Table(title, [head[i] for i in kept], [[row[i] for i in kept] for row in rows])]


def _texts(cells: Sequence[Sequence[MeanCell]], lower_is_better: Sequence[bool]) -> list[list[str]]:
    """Cells as text, the best of each finished column in bold; a column with a single figure has no best.

    Lines of which nothing has been run, and which are left out, do not count. A run that diverged is finished.
    """
    texts = [[_figure(one) for one in row] for row in cells]
    shown = [row for row, line in zip(cells, texts, strict=True) if any(line)]
    for number, lower in enumerate(lower_is_better):
        means = [row[number].mean for row in shown if row[number].complete]
        if len(means) < 2 or any(row[number].left for row in shown):
            continue
        best = min(m for m in means if m is not None) if lower else max(m for m in means if m is not None)
        for row, line in zip(cells, texts, strict=True):
            if row[number].complete and row[number].mean == best:
                line[number] = f"**{line[number]}**"
    return texts


def cell_text(found: MeanCell) -> str:
    """Return a cell in percent: mean, spread, and how many runs are in it where some are missing."""
    return _figure(found) + _missing(found)


def _figure(found: MeanCell) -> str:
    if found.mean is None:
        return FAILED if found.failed else EMPTY
    spread = "" if found.spread is None else f" ± {100 * found.spread:.1f}"
    return f"{100 * found.mean:.1f}{spread}"


def _missing(found: MeanCell) -> str:
    return "" if found.complete or found.mean is None else f" ({found.done} of {found.planned})"
