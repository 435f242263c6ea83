"""Means, spreads, verdicts and pictures against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from statistics import fmean, stdev
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from gallop.documents.markdown import markdown_table
from gallop.lab.bench.definition.benchmark import Claim, Side
from gallop.lab.bench.reporting.charts import chart_files
from gallop.lab.bench.reporting.claims import (
    FAILS,
    HOLDS,
    NO_FIGURES,
    OPEN,
    Verdict,
    judge_claim,
    mean_interval,
    sentence,
)
from gallop.lab.bench.reporting.costs import costs, estimate
from gallop.lab.bench.reporting.results import COLUMNS, Results
from gallop.lab.bench.reporting.tables import tables
from gallop.lab.bench.running.plan import UNTAUGHT
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
        ["method", "first", "second", "average"],
        ["guess", "30.0", "40.0", "35.0"],
        ["ours", "**85.0 ± 7.1**", "61.0 ± 1.4", "**73.0 ± 4.2**"],
        ["theirs", "71.0 ± 1.4", "**62.0 ± 2.8**", "66.5 ± 0.7"],
    ]
    assert section(text, "Accuracy over shots, average of the sets")[:3] == [
        ["method", "1 shot", "2 shots"],
        ["guess", "35.0", "35.0"],
        ["ours", "**63.0 ± 4.2**", "**73.0 ± 4.2**"],
    ]
    assert section(text, "Trained on first, tested elsewhere, 2 shots")[:3] == [
        ["method", "first", "second", "mean"],
        ["guess", "30.0", "12.0", "21.0"],
        ["ours", "**85.0 ± 7.1**", "**34.0 ± 2.8**", "**59.5 ± 4.9**"],
    ]
    head, low, same = section(text, "Ablation: skill, 2 shots")
    assert (head, low, same[:2]) == (
        ["variant", "first", "global alone", "local alone"],
        ["low", "50.0 ± 0.0", "48.0 ± 0.0", "46.0 ± 0.0"],
        ["as ours", "**85.0 ± 7.1**"],
    )


def test_unknown_photos() -> None:
    head, guess, ours, *_ = section(tables(whole()), "Known against unknown photos")
    # dots: on the first set alone. Average: the mean of 0.305 and 0.2, and with seed 1 of 0.355 and 0.3.
    assert (head, guess[:4], ours[:3]) == (
        ["method", "score", "dots", "lines", "average"],
        ["guess", "MSP", "**41.0** / **75.0**", "**20.0** / **75.0**"],
        ["ours", "MCM", "**41.0 ± 0.0** / **75.0 ± 0.0**"],
    )
    assert [cell.partition(" / ")[0] for cell in ours[3:5]] == ["25.0 ± 7.1", "29.0 ± 5.3"]


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
    assert (ours, theirs) == (
        ["ours", "**85.0 ± 7.1**", "60.0 (1 of 2)", "72.5 (3 of 4)"],
        ["theirs", "71.0 ± 1.4", "62.0 ± 2.8", "66.5 ± 0.7"],
    )
    assert "low" not in [row[0] for row in section(text, "Ablation: skill, 2 shots")]
    assert section(text, "Claims at this scale")[1][-1] == "3 of 4"


def test_runs_that_diverged_are_a_dash_and_a_note() -> None:
    def diverging(label: str, name: str, shots: int, seed: int) -> Mapping[tuple[str, str, str], float] | str:
        return "The loss is nan | oh." if (label, name) == ("theirs", "first") else figures(label, name, shots, seed)

    text = tables(results_of(plan_of(spec(), untaught=("guess",)), diverging))
    assert section(text, "Accuracy, 2 shots")[3] == ["theirs", "–", "**62.0 ± 2.8**", "62.0 ± 2.8 (2 of 4)"]
    assert "- theirs on first, 2 shots, seed 1 (`-theirs-first-2-1`): The loss is nan \\| oh." in text


def test_nothing_done_is_a_table_all_the_same() -> None:
    results = results_of(plan_of(spec()), lambda *_: None)
    assert not [words for words in ("0 of 28 runs are done", "no figures yet") if words not in tables(results)]
    assert list(chart_files(results)) == []
    assert costs(results)


def test_names_cannot_break_a_table_or_a_spreadsheet() -> None:
    text = SPEC.replace("ours", "'=a|b<script>[x](y)'").replace("as '=a|b<script>[x](y)'", "as ours")
    plan = plan_of(spec(text), untaught=("guess",))
    results = results_of(plan, lambda label, *place: figures(label.replace("=a|b<script>[x](y)", "ours"), *place))
    assert "<script" not in tables(results)
    row = section(tables(results), "Accuracy, 2 shots")[2]
    assert row[:2] == ["=a\\|b&lt;script>\\[x\\](y)", "**85.0 ± 7.1**"]
    assert "'=a|b<script>[x](y)" in {row["method"] for row in rows_of(results)}
    for _, picture in chart_files(results):
        ElementTree.fromstring(picture)


def test_a_cell_stays_one_line() -> None:
    assert markdown_table(["a", "b"], [["x\n| y", "1"]]).splitlines()[2] == "| x \\| y | 1 |"


def test_the_tidy_table_has_a_row_a_figure() -> None:
    results = whole()
    rows = rows_of(results)
    count = sum(len(results.records[entry.key].figures) for entry in results.plan.entries)
    assert (tuple(rows[0]), len(rows)) == (COLUMNS, count)
    (row,) = (
        r
        for r in rows
        if (r["method"], r["group"], r["set"], r["shots"], r["seed"], r["test"], r["metric"])
        == ("low", "skill", "first", "2", "1", "second", "accuracy")
    )
    assert (float(row["value"]), row["n"], float(row["seconds"]), row["unknown"]) == (0.2, "10", 5.5, "")


def test_costs_and_what_is_left() -> None:
    results = whole()
    assert "| ours | 8 | 3.00 s | 2.00 s | 2.00 s | 750 ms | 0.50 s | 5.50 s | 1 MB |" in costs(results)
    assert "one, 2 threads, cpu, torch 2" in costs(results)
    runs = [run for run in results.plan.runs if run.shots != UNTAUGHT]
    ours = {key: record for key, record in results.records.items() if record.method == "ours"}
    # 16 s were learned on 24 photos, for which 24 s were encoded; a run without shots counts as one photo here.
    wanted = (pytest.approx(8 * (40 / 24 + 0.5)), sum(run.method != "ours" for run in runs))
    assert estimate(runs, ours) == wanted


def test_a_line_without_a_figure_of_one_kind_does_not_keep_its_column_unfinished() -> None:
    def some(label: str, name: str, shots: int, seed: int) -> Mapping[tuple[str, str, str], float]:
        found = dict(figures(label, name, shots, seed))
        if label == "skill / low":
            del found[(name, "accuracy_local", "")]
        return found

    text = SPEC.replace("as ours: {", "more: {method: fake, skill: 0.2}\n      as ours: {")
    plan = plan_of(spec(text), untaught=("guess",))
    head, low, more, same = section(tables(results_of(plan, some)), "Ablation: skill, 2 shots")
    assert (head[-1], low[-1], more[-1], same[-1]) == ("local alone", "", "56.0 ± 0.0", "**81.0 ± 7.1**")


# ------------------------------------------------------------------ claims


def claim(relation: str = "above", metric: str = "accuracy", than: str = "theirs", **more: object) -> Claim:
    settings = {"test": "", "margin": 0.0} | more
    return Claim("C.", Side("ours", metric), Side(than, metric), 2, relation, **settings)  # type: ignore[arg-type]


def judged(differences: Mapping[str, Mapping[int, float]], what: Claim) -> Verdict:
    """A verdict on ours = 0.5 + difference against theirs = 0.5."""
    head = f"name: two\nsets: [{', '.join(differences)}]\nshots: 2\nseeds: [0, 1]\n"
    plan = plan_of(spec(head + "methods: {ours: {method: fake}, theirs: {method: fake}}"))

    def value(label: str, name: str, shots: int, seed: int) -> Mapping[tuple[str, str, str], float] | None:
        if seed not in differences[name]:
            return None
        return {(name, what.better.metric, ""): 0.5 + (differences[name][seed] if label == "ours" else 0)}

    return judge_claim(results_of(plan, value), what)


def same(*values: float) -> dict[str, dict[int, float]]:
    return {f"s{i}": {0: v - 0.01, 1: v + 0.01} for i, v in enumerate(values)}


@pytest.mark.parametrize(
    ("differences", "relation", "margin", "wanted"),
    [
        (same(0.1, 0.11, 0.12, 0.1), "above", 0.0, HOLDS),
        (same(-0.1, -0.11, -0.12, -0.1), "above", 0.0, FAILS),
        (same(-0.1, 0.11, -0.12, 0.1), "above", 0.0, OPEN),
        (same(-0.1, -0.11, -0.12, -0.1), "below", 0.0, HOLDS),
        (same(0.1, 0.11, 0.12, 0.1), "below", 0.0, FAILS),
        (same(0.0, 0.0, 0.0), "above", 0.0, OPEN),
        (same(0.0, 0.0, 0.0), "not below", 0.0, OPEN),  # equal differences tell nothing of their spread
        (same(0.025, 0.025, 0.025), "above", 0.0, OPEN),
        ({"s0": {0: 0.025, 1: 0.025}}, "above", 0.0, OPEN),
        (same(-0.01, -0.012, -0.009, -0.01), "not below", 0.02, HOLDS),
        (same(-0.01, -0.012, -0.009, -0.01), "not below", 0.0, FAILS),
        (same(-0.01, 0.1, -0.009, -0.01), "not below", 0.02, OPEN),
        ({"s0": {0: 0.1, 1: 0.1001}}, "above", 0.0, HOLDS),
        ({"s0": {0: 0.1, 1: 0.3}}, "above", 0.0, OPEN),
        ({"s0": {0: 0.1}}, "above", 0.0, OPEN),
        ({"s0": {}}, "above", 0.0, NO_FIGURES),
    ],
)
def test_verdicts(differences: dict[str, dict[int, float]], relation: str, margin: float, wanted: str) -> None:
    assert judged(differences, claim(relation, margin=margin)).verdict == wanted


def test_differences_are_paired_and_averaged_in_this_order() -> None:
    """Over seeds on each set, then over sets: a set with fewer seeds counts as much."""
    found = judged({"a": {0: 0.1, 1: 0.3}, "b": {1: 0.4}, "c": {0: -0.3, 1: -0.1}}, claim())
    means = [0.2, 0.4, -0.2]
    assert (found.mean, found.spread) == (pytest.approx(fmean(means)), pytest.approx(stdev(means)))
    assert found.interval == pytest.approx(tuple(ttest_1samp(means, 0).confidence_interval(0.95)))
    assert (found.over, found.sets, found.right, found.pairs, found.planned) == ("sets", 3, 2, 5, 6)
    assert "only 5 of 6 pairs of runs" in sentence(found)
    assert sentence(found).startswith("not shown either way (+13.3 points; 95% interval over sets ")


def test_with_two_sets_the_interval_is_over_seeds() -> None:
    found = judged({"a": {0: 0.1, 1: 0.12}, "b": {0: 0.3, 1: 0.33}}, claim())
    assert (found.over, found.spread) == ("seeds", pytest.approx(stdev([0.11, 0.315])))
    assert found.interval == pytest.approx(tuple(ttest_1samp([0.2, 0.225], 0).confidence_interval(0.95)))


def test_what_learns_nothing_is_paired_with_every_seed() -> None:
    found = judge_claim(whole(), claim(than="guess"))
    assert (found.mean, found.pairs, found.planned) == (pytest.approx(fmean([0.85 - 0.3, 0.61 - 0.4])), 4, 4)


def test_transfer_and_unequal_metrics() -> None:
    elsewhere = judge_claim(whole(), claim(test="second"))
    assert (elsewhere.sets, elsewhere.mean) == (1, pytest.approx(0.4 * (0.85 - 0.71)))
    for than, sets, mean in ((Side("ours", "accuracy_global"), 2, 0.02), (Side("skill / low", "accuracy"), 1, 0.35)):
        found = judge_claim(whole(), Claim("C.", Side("ours", "accuracy"), than, 2, "above", "", 0.0))
        assert (found.sets, found.mean) == (sets, pytest.approx(mean))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9).filter(lambda values: stdev(values) >= 1e-6))
def test_the_interval_is_students(values: list[float]) -> None:
    assert mean_interval(values) == pytest.approx(tuple(ttest_1samp(values, 0).confidence_interval(0.95)), abs=1e-9)


# ------------------------------------------------------------------ published figures


PUBLISHED = (
    SPEC
    + """
published:
  - {method: ours, shots: 2, source: Paper A., values: {first: 81.5, second: 70, average: 75.8}}
  - {method: nobody, shots: 2, source: Paper B., values: {second: 99, third: 1, average: 50}}
  - {method: ours, shots: 1, source: Paper A., values: {first: 12.3}}
  - {method: ours, trained: first, shots: 2, source: Paper A., values: {second: 45.6}}
  - {method: ours, metric: fpr95/GL-MCM, shots: 2, source: Paper A., values: {dots: 7, lines: 9, average: 8}}
  - {method: ours, metric: auroc/GL-MCM, shots: 2, source: Paper A., values: {dots: 97, average: 96}}
"""
)


def test_published_figures_stand_beside_ours() -> None:
    text = tables(results_of(plan_of(spec(PUBLISHED), untaught=("guess",)), figures))
    main = section(text, "Accuracy, 2 shots")
    names = [row[0] for row in main]
    assert names.index("ours, published") == names.index("ours") + 1
    assert main[names.index("ours, published")] == ["ours, published", "81.5", "70.0", "75.8"]
    assert main[-1] == ["nobody, published", "", "99.0", ""], "its average is over a set that is not here"
    assert main[names.index("ours")] == section(tables(whole()), "Accuracy, 2 shots")[names.index("ours")]
    assert ["ours, published", "", "45.6", ""] in section(text, "Trained on first, tested elsewhere")
    assert section(text, "Known against unknown photos")[-1] == [
        "ours, published", "GL-MCM", "7.0 / 97.0", "9.0 /", "8.0 / 96.0",
    ]  # fmt: skip
    assert "- ours: Paper A.\n- nobody: Paper B." in text
    assert "12.3" not in text, "there is no table of these shots"
    assert "published" not in tables(whole())


# ------------------------------------------------------------------ pictures


def test_pictures_are_equal_bytes_for_equal_records_on_white() -> None:
    first, second = dict(chart_files(whole())), dict(chart_files(whole()))
    assert (set(first), first) == ({"accuracy-over-shots.svg", "robustness.svg", "ood.svg", "ablations.svg"}, second)
    for picture in first.values():
        ElementTree.fromstring(picture)
        assert (b"<dc:date>" in picture, b"fill: #ffffff" in picture) == (False, True)
