"""Means and spreads against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

from gallop.documents.markdown import markdown_table
from gallop.lab.bench.tables import COLUMNS, Results, tables
from tests.bench_things import SPEC, plan_of, results_of, spec

# label -> set -> seed -> accuracy at 2 shots; at 1 shot everything is 0.1 less.
NUMBERS = {
    "guess": {"first": {0: 0.30}, "second": {0: 0.40}},
    "ours": {"first": {0: 0.80, 1: 0.90}, "second": {0: 0.60, 1: 0.62}},
    "theirs": {"first": {0: 0.70, 1: 0.72}, "second": {0: 0.64, 1: 0.60}},
    "skill / low": {"first": {0: 0.5, 1: 0.5}},
    "skill / more": {"first": {0: 0.6, 1: 0.6}},
    "skill / as ours": {"first": {0: 0.80, 1: 0.90}},
}


def figures(label: str, name: str, shots: int, seed: int) -> Mapping[tuple[str, str, str], float]:
    value = NUMBERS[label][name][seed] - (0.1 if shots == 1 else 0)
    found = {(name, "accuracy", ""): value}
    if label != "guess":
        found |= {(name, "accuracy_global", ""): value - 0.02, (name, "accuracy_local", ""): value - 0.04}
    if name == "first":
        found[("second", "accuracy", "")] = 0.4 * value
    for score in ("MSP",) if label == "guess" else ("MCM", "GL-MCM"):
        for group in ("lines",) if name == "second" else ("dots", "lines"):
            found[(name, f"fpr95/{score}", group)] = 0.41 if group == "dots" else 0.2 + seed / 10
            found[(name, f"auroc/{score}", group)] = 0.75
    return found


def whole() -> Results:
    return results_of(plan_of(spec(), untaught=("guess",)), figures)


def rows_of(results: Results) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(results.csv().decode(), newline="")))


def section(text: str, title: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    below = text.split(f"## {title}")[1].split("\n## ")[0]
    rows = [line for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows if not row.startswith("| ---")]


# ------------------------------------------------------------------ tables


def test_tables_of_accuracy() -> None:
    text = tables(whole())
    # 0.80, 0.90: mean 85, deviation 10 / sqrt(2); averages by seed 70 and 76: mean 73, deviation 6 / sqrt(2).
    assert section(text, "Accuracy, 2 shots") == [
        ["method", "first", "second", "average", "first to second"],
        ["guess", "30.0", "40.0", "35.0", "12.0"],
        ["ours", "**85.0 ± 7.1**", "61.0 ± 1.4", "**73.0 ± 4.2**", "**34.0 ± 2.8**"],
        ["theirs", "71.0 ± 1.4", "**62.0 ± 2.8**", "66.5 ± 0.7", "28.4 ± 0.6"],
    ]
    assert section(text, "Accuracy over shots, average of the sets")[:3] == [
        ["method", "1 shot", "2 shots"],
        ["guess", "35.0", "35.0"],
        ["ours", "**63.0 ± 4.2**", "**73.0 ± 4.2**"],
    ]
    head, low, same = section(text, "Ablation: skill, 2 shots")
    assert (head, low, same[:2]) == (
        ["variant", "first", "global alone", "local alone"],
        ["low", "50.0 ± 0.0", "48.0 ± 0.0", "46.0 ± 0.0"],
        ["as ours", "**85.0 ± 7.1**"],
    )


def test_unknown_photos() -> None:
    head, guess, ours, *_ = section(tables(whole()), "Unknown photos that pass")
    # dots: on the first set alone. Average: the mean of 0.305 and 0.2, and with seed 1 of 0.355 and 0.3.
    assert (head, guess, ours) == (
        ["method", "score", "dots", "lines", "average"],
        ["guess", "MSP", "**41.0**", "**20.0**", "**25.2**"],
        ["ours", "MCM", "**41.0 ± 0.0**", "25.0 ± 7.1", "29.0 ± 5.3"],
    )
    _, guess, *_ = section(tables(whole()), "Known against unknown photos (AUROC)")
    assert guess == ["guess", "MSP", "**75.0**", "**75.0**", "**75.0**"]


def test_missing_seeds_are_told_and_never_silently_averaged() -> None:
    def partial(label: str, name: str, shots: int, seed: int) -> Mapping[tuple[str, str, str], float] | None:
        return (
            None
            if (label, name, seed) == ("ours", "second", 1) or label == "skill / low"
            else figures(label, name, shots, seed)
        )

    text = tables(results_of(plan_of(spec(), untaught=("guess",)), partial))
    _, _, ours, theirs = section(text, "Accuracy, 2 shots")
    # Seed 0 alone has both sets, so there is no spread of the average; no best of a column that goes on.
    assert (ours[:4], theirs[:4]) == (
        ["ours", "**85.0 ± 7.1**", "60.0 (1 of 2)", "72.5 (3 of 4)"],
        ["theirs", "71.0 ± 1.4", "62.0 ± 2.8", "66.5 ± 0.7"],
    )
    assert "low" not in [row[0] for row in section(text, "Ablation: skill, 2 shots")]


def test_runs_that_diverged_are_a_dash_and_a_note() -> None:
    def diverging(label: str, name: str, shots: int, seed: int) -> Mapping[tuple[str, str, str], float] | str:
        return "The loss is nan | oh." if (label, name) == ("theirs", "first") else figures(label, name, shots, seed)

    text = tables(results_of(plan_of(spec(), untaught=("guess",)), diverging))
    assert section(text, "Accuracy, 2 shots")[3] == ["theirs", "–", "**62.0 ± 2.8**", "62.0 ± 2.8 (2 of 4)", "–"]
    assert "- theirs on first, 2 shots, seed 1: The loss is nan \\| oh." in text


def test_nothing_done_is_a_table_all_the_same() -> None:
    results = results_of(plan_of(spec()), lambda *_: None)
    assert "0 of 28 runs are done" in tables(results)


def test_names_cannot_break_a_table_or_a_spreadsheet() -> None:
    text = SPEC.replace("ours", "'=a|b<script>[x](y)'").replace("as '=a|b<script>[x](y)'", "as ours")
    plan = plan_of(spec(text), untaught=("guess",))
    results = results_of(plan, lambda label, *place: figures(label.replace("=a|b<script>[x](y)", "ours"), *place))
    assert "<script" not in tables(results)
    row = section(tables(results), "Accuracy, 2 shots")[2]
    assert row[:2] == ["=a\\|b&lt;script>\\[x\\](y)", "**85.0 ± 7.1**"]
    assert "'=a|b<script>[x](y)" in {row["method"] for row in rows_of(results)}


def test_a_cell_stays_one_line() -> None:
    assert markdown_table(["a", "b"], [["x\n| y", "1"]]).splitlines()[2] == "| x \\| y | 1 |"


def test_the_tidy_table_has_a_row_a_figure() -> None:
    results = whole()
    rows = rows_of(results)
    count = sum(len(results.records[run.key].figures) for _, run in results.plan.entries)
    assert (tuple(rows[0]), len(rows)) == (COLUMNS, count)
    (row,) = (
        r
        for r in rows
        if (r["method"], r["group"], r["set"], r["shots"], r["seed"], r["test"], r["metric"])
        == ("low", "skill", "first", "2", "1", "second", "accuracy")
    )
    assert (float(row["value"]), row["n"], float(row["seconds"]), row["unknown"]) == (0.2, "10", 5.5, "")
