"""``tables.md``: the figures in the paper's form. It depends on them alone, so equal records give equal bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gallop.bench.claims import judge, sentence
from gallop.bench.markdown import markdown_table, safe
from gallop.bench.results import Cell, Results, Sample, cell

FAILED, EMPTY = "–", ""
"""What stands for runs that diverged, and for runs that have not been made."""

HOW_TO_READ = """\
In %, mean ± standard deviation (n - 1) over seeds; an average is over sets, its deviation over seeds of that average.
(2 of 3): so many of the planned runs are in the figure. An empty cell has not been run yet, – has diverged. **Bold**:
the highest of a column, or the lowest FPR95, where every run is there; differences may be within the spread."""


def tables(results: Results) -> str:
    """Everything but costs, as Markdown."""
    spec, plan = results.spec, results.plan
    runs = f"{len(results.records)} of {len(plan.runs)} runs are done."
    parts = [f"# {safe(spec.name)}", safe(spec.about), f"{runs} Seeds: {', '.join(map(str, spec.seeds))}."]
    parts += [HOW_TO_READ, *_main(results), *_over_shots(results), *_transfer(results), *_unknown(results)]
    for group in spec.ablations:
        parts += _ablation(results, group)
    parts += _claims(results) + _failures(results)
    return "\n\n".join(part for part in parts if part) + "\n"


def main_shots(results: Results) -> int:
    """The shots of the main table: the most at which anything has been run."""
    return max(results.shots_done(results.main_labels()) or results.spec.shots)


@dataclass(frozen=True)
class _Column:
    """A column of figures: its heading and, for each line, the samples that are averaged."""

    heading: str
    samples: Callable[[str], list[Sample]]
    lower_is_better: bool = False


def _accuracy(results: Results, shots: int, sets: Sequence[str], metric: str = "accuracy", test: str = "") -> _Column:
    def samples(label: str) -> list[Sample]:
        return [results.sample(label, metric, shots, name, test=test) for name in sets]

    return _Column(sets[0] if len(sets) == 1 else "average", samples)


def _main(results: Results) -> list[str]:
    shots, sets = main_shots(results), results.plan.sets
    columns = [_accuracy(results, shots, [name]) for name in sets]
    if len(sets) > 1:
        columns.append(_accuracy(results, shots, sets))
    return [f"## Accuracy, {_shots(shots)}", _figures_table("method", results.main_labels(), columns)]


def _over_shots(results: Results) -> list[str]:
    if len(results.spec.shots) < 2:
        return []

    def column(shots: int) -> _Column:
        return _Column(_shots(shots), _accuracy(results, shots, results.plan.sets).samples)

    columns = [column(shots) for shots in results.spec.shots]
    return ["## Accuracy over shots, average of the sets", _figures_table("method", results.main_labels(), columns)]


def _transfer(results: Results) -> list[str]:
    shots, parts = main_shots(results), []
    for source, targets in results.spec.transfer.items():
        if source not in results.plan.sets:
            continue
        own = _accuracy(results, shots, [source])
        others = [_Column(t, _accuracy(results, shots, [source], test=t).samples) for t in targets]

        def both(label: str, columns: Sequence[_Column] = (own, *others)) -> list[Sample]:
            return [sample for column in columns for sample in column.samples(label)]

        parts.append(f"## Trained on {safe(source)}, tested elsewhere, {_shots(shots)}")
        parts.append(_figures_table("method", results.main_labels(), [own, *others, _Column("mean", both)]))
    return parts


def _unknown(results: Results) -> list[str]:
    groups = results.plan.unknown
    if not groups:
        return []
    shots = main_shots(results)
    asked = {group: sets_asked(results, group) for group in (*groups, "")}
    lines = [(label, score) for label in results.main_labels() for score in results.scores(label)]
    heads = {group: group for group in groups} | ({"": "average"} if len(groups) > 1 else {})

    def cells(metric: str) -> list[list[Cell]]:
        return [
            [
                cell([results.sample(label, f"{metric}/{score}", shots, n, unknown=group) for n in asked[group]])
                for group in heads
            ]
            for label, score in lines
        ]

    fpr, auroc = _texts(cells("fpr95"), [True] * len(heads)), _texts(cells("auroc"), [False] * len(heads))
    rows = [
        [label, score, *(f"{a} / {b}" if a or b else EMPTY for a, b in zip(first, second, strict=True))]
        for (label, score), first, second in zip(lines, fpr, auroc, strict=True)
    ]
    title = f"## Known against unknown photos, {_shots(shots)}: FPR95 / AUROC, average of the sets"
    return [title, markdown_table(["method", "score", *heads.values()], rows)]


def sets_asked(results: Results, group: str) -> list[str]:
    """The sets whose runs are asked about a group of unknown photos, or about any."""
    skip = results.spec.unknown.skip if results.spec.unknown else {}
    groups = [group] if group else results.plan.unknown
    return [name for name in results.plan.sets if any(g not in skip.get(name, ()) for g in groups)]


def _ablation(results: Results, group: str) -> list[str]:
    parts = []
    labels = results.group_labels(group)
    sets = [name for name in results.plan.sets if any(name in results.sets_of(label) for label in labels)]
    for shots in results.spec.ablations[group].shots:
        columns = [_accuracy(results, shots, [name]) for name in sets]
        if len(sets) > 1:
            columns.append(_accuracy(results, shots, sets))
        for metric, heading in (("accuracy_global", "global alone"), ("accuracy_local", "local alone")):
            column = _Column(heading, _accuracy(results, shots, sets, metric).samples)
            if any(sample.values for label in labels for sample in column.samples(label)):
                columns.append(column)
        prefix = f"{group} / "
        parts.append(f"## Ablation: {safe(group)}, {_shots(shots)}")
        parts.append(_figures_table("variant", labels, columns, [label.removeprefix(prefix) for label in labels]))
    return parts


def _claims(results: Results) -> list[str]:
    if not results.spec.claims:
        return []
    lines = []
    for verdict in judge(results):
        claim = verdict.claim
        place = f"{_shots(claim.shots)}{f', tested on {claim.test}' if claim.test else ''}"
        first, rest = sentence(verdict)[: len(verdict.verdict)], sentence(verdict)[len(verdict.verdict) :]
        what = f"{claim.better.metric}: {claim.better.label} against {claim.than.label}"
        if claim.better.metric != claim.than.metric:
            what = f"{claim.better.label}: {claim.better.metric} against {claim.than.label}: {claim.than.metric}"
        lines.append(f"- {safe(claim.claim)} **{first}**{safe(rest)} {safe(what)}, {safe(place)}.")
    how = (
        "Differences are paired: same set, same shots, same seed. A claim holds where the whole 95% interval of the "
        "mean difference is on its side, and does not where the whole interval is on the other."
    )
    return ["## Claims at this scale", how, "\n".join(lines)]


def _failures(results: Results) -> list[str]:
    if not results.failures:
        return []
    lines = [
        f"- {safe(r.method)} on {safe(r.set)}, {_shots(r.shots)}, seed {r.seed} (`{r.key}`): {safe(r.failed)}"
        for r in results.failures
    ]
    return ["## Runs that diverged", "\n".join(lines)]


def _figures_table(
    what: str, labels: Sequence[str], columns: Sequence[_Column], shown: Sequence[str] | None = None
) -> str:
    cells = [[cell(column.samples(label)) for column in columns] for label in labels]
    texts = _texts(cells, [column.lower_is_better for column in columns])
    rows = [[name, *row] for name, row in zip(shown or labels, texts, strict=True)]
    return markdown_table([what, *(column.heading for column in columns)], rows)


def _texts(cells: Sequence[Sequence[Cell]], lower_is_better: Sequence[bool]) -> list[list[str]]:
    """Cells as text, the best complete one of each column in bold; columns of a single line have no best."""
    texts = [[cell_text(one) for one in row] for row in cells]
    for number, lower in enumerate(lower_is_better):
        means = [row[number].mean for row in cells if row[number].complete]
        if len(means) < 2:
            continue
        best = min(m for m in means if m is not None) if lower else max(m for m in means if m is not None)
        for row, line in zip(cells, texts, strict=True):
            if row[number].complete and row[number].mean == best:
                line[number] = f"**{line[number]}**"
    return texts


def cell_text(found: Cell) -> str:
    """A cell in percent: mean, spread, and how many runs are in it where some are missing."""
    if found.mean is None:
        return FAILED if found.failed else EMPTY
    spread = "" if found.spread is None else f" ± {100 * found.spread:.1f}"
    missing = "" if found.complete else f" ({found.done} of {found.planned})"
    return f"{100 * found.mean:.1f}{spread}{missing}"


def _shots(shots: int) -> str:
    return "no shots" if not shots else f"{shots} shot{'' if shots == 1 else 's'}"
