"""What all charts have in common stands in one module, and holds for each of them."""

from __future__ import annotations

import numpy as np
import plotly.io as pio
import pytest

from app import charts
from app.teaching.training import KeptPrompts, Point
from gallop.evaluation.intervals import Proportion
from gallop.evaluation.measure import Bin
from gallop.predictions.faithfulness import Deletion

NAMES = ["<b>red</b> $x$", "green"]
CURVE = np.linspace(0, 1, 5)
CHARTS = {
    "confusions": lambda: charts.confusions(np.eye(2), NAMES, {(0, 0): NAMES[0]}, (0, 0)),
    "deletion": lambda: charts.deletion_curve(Deletion(CURVE, CURVE, np.stack([CURVE, CURVE]))),
    "classes": lambda: charts.classes({name: Proportion(1, 2) for name in NAMES}, Proportion(2, 4)),
    "reliability": lambda: charts.reliability([Bin(0.5, 1.0, 0.8, Proportion(1, 2))]),
    "outliers": lambda: charts.outliers(CURVE, CURVE + 0.5, 0.7),
    "learning": lambda: charts.learning([Point(1, 2.0, 0.5), Point(2, 1.0, 1.0)], 2),
    "kept": lambda: charts.kept_prompts(KeptPrompts(1, ("a.jpg",), ((0,),), 2), 2),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_stands_still_in_the_colours_of_the_page_and_shows_names_as_text(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pio.templates, "default", "seaborn")
    figure = CHARTS[name]()
    shared = figure.layout.template.layout
    assert shared.colorway == pio.templates["seaborn"].layout.colorway
    assert (shared.dragmode, shared.xaxis.fixedrange, shared.yaxis.fixedrange) == (False, True, True)
    assert "<b>" not in figure.to_json().replace("\\u003c", "<").split('"template"')[0]
    assert figure.layout.height


def test_a_row_for_each_name_though_two_are_written_alike() -> None:
    long = "a name of a class that is long and goes on"
    figure = charts.classes({f"{long} {where}": Proportion(1, 2) for where in ("here", "there")}, Proportion(2, 4))
    assert (list(figure.data[0].y), len(set(figure.layout.yaxis.ticktext))) == ([0, 1], 1)
    assert tuple(figure.layout.yaxis.range) == (1.5, -0.5)


def test_a_matrix_has_all_of_fifty_classes_and_of_more_those_that_are_confused_most() -> None:
    counts = np.diag(np.full(60, 5))
    counts[[58, 58, 7], [3, 4, 59]] = 2, 2, 1
    labels = {(int(i), int(j)): f"{i} as {j}" for i, j in np.argwhere(counts)}
    few = charts.confusions(counts[:50, :50], NAMES * 25, labels, (3, 3))
    squares, photos = few.data
    assert (len(squares.z), len(photos.x), photos.customdata[3]) == (50, 50, "3 3")
    assert [(line.x0, line.x1, line.y0, line.y1) for line in few.layout.shapes] == [(2.5, 3.5, 2.5, 3.5)]
    squares, photos = charts.confusions(counts, NAMES * 30, labels, "mistakes").data
    assert len(squares.z) == charts.MOST_CONFUSED
    places = {cell: (x, y) for cell, x, y in zip(photos.customdata, photos.x, photos.y, strict=True)}
    assert [places[f"{k} {k}"] for k in (58, 3, 4, 7, 59, 0)] == [(place, place) for place in range(6)]
    assert places["58 3"] == (1, 0), "a row is what it is, a column the answer"
    assert np.sign([squares.z[0][0], squares.z[0][1], squares.z[0][2], squares.z[3][0]]).tolist() == [1, -1, -1, 0]
    assert "49 49" not in places


def test_dashed_lines_stand_at_their_figures() -> None:
    assert [(s.x0, s.x1) for s in CHARTS["classes"]().layout.shapes] == [(50, 50)]
    limit = CHARTS["outliers"]().layout
    assert ([(s.x0, s.x1) for s in limit.shapes], limit.annotations[0].text) == ([(0.7, 0.7)], "threshold")
