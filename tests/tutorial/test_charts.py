"""Charts, tables and panels of the notebooks, for two names and for forty, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from gallop.images import load_image
from gallop.lab.tutorial import show_figure
from gallop.lab.tutorial.charts import line_chart, names_along, number_table
from gallop.lab.tutorial.panels import Panel, panels

pytest.importorskip("ipywidgets", reason="needs the extra 'notebooks'")
pytest.importorskip("plotly", reason="needs the extra 'notebooks'")

from gallop.lab.tutorial.live_charts import live_bars

LONG = [f"a name of many words {number}" for number in range(40)]


@pytest.fixture(autouse=True)
def without_a_screen() -> Iterator[None]:
    with matplotlib.rc_context({"backend": "Agg"}):
        yield


def overlapping(texts: list[Text]) -> list[tuple[str, str]]:
    """Neighbours of which one is drawn over the other: of those that are aslant, nearer than a line is high."""
    found = []
    for one, other in pairwise(texts):
        first, second = one.get_window_extent(), other.get_window_extent()
        aslant = abs(first.x1 - second.x1) * np.sin(np.radians(one.get_rotation())) < one.get_fontsize()
        if aslant if one.get_rotation() else first.x1 > second.x0:
            found.append((one.get_text(), other.get_text()))
    return found


@pytest.mark.parametrize("count", [2, 8, 25, 40])
@pytest.mark.slow
def test_a_table_of_many_long_names_can_be_read(count: int) -> None:
    values = np.random.default_rng(0).random((count, count))
    figure = number_table(values, LONG[:count], LONG[:count], bar="probability", labels=("name", "photo"))
    figure.draw_without_rendering()
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == LONG[:count]
    assert overlapping(axis.get_xticklabels()) == []
    rows = [label.get_window_extent() for label in axis.get_yticklabels()]
    assert all(lower.y1 <= upper.y0 + 1 for upper, lower in pairwise(rows))
    assert figure.get_figwidth() < 14
    np.testing.assert_array_equal(axis.images[0].get_array(), values)


@pytest.mark.parametrize("count", [2, 4, 40])
@pytest.mark.slow
def test_names_that_never_end_leave_a_table_its_room(count: int) -> None:
    names = [f"{number} " + "a name that goes on and on " * 4 + f"to {number}" for number in range(count)]
    figure = number_table(np.eye(count, dtype=int), names, names, form="{}", labels=("predicted", "label"))
    figure.draw_without_rendering()  # a chart without room is warned of, and warnings are errors
    axis = figure.axes[0]
    assert (axis.bbox.size / figure.dpi > (2, 0.2 * count)).all()
    written = [label.get_text() for label in axis.get_yticklabels()]
    assert [(text.split()[0], text.split()[-1]) for text in written] == [(f"{n}", f"{n}") for n in range(count)]
    assert overlapping(axis.get_xticklabels()) == []


def test_a_table_writes_its_numbers_and_leaves_zeros_of_counts_blank() -> None:
    shares = number_table([[0.5, 0.25]], ["row"], ["a", "b"], form="{:.0%}")
    counts = number_table([[3, 0], [12, 7]], ["a", "b"], ["a", "b"], form="{}")
    written = [[text.get_text() for text in figure.axes[0].texts] for figure in (shares, counts)]
    assert written == [["50%", "25%"], ["3", "", "12", "7"]]


@pytest.mark.parametrize("names", [["cat", "dog"], LONG[:8], LONG], ids=["two", "eight long", "forty long"])
def test_names_below_bars_do_not_run_into_each_other(names: list[str]) -> None:
    figure, axis = plt.subplots(figsize=(8, 2.2) if len(names) < 10 else (12, 3), layout="constrained")
    axis.bar(range(len(names)), [0.5] * len(names))
    names_along(axis, names)
    figure.draw_without_rendering()
    plt.close(figure)
    assert overlapping(figure.axes[0].get_xticklabels()) == []


def drawn(figure: Figure) -> dict[str, tuple[list[float], list[float]]]:
    """By name, the numbers of each line."""
    return {line.get_label(): tuple(map(list, line.get_data())) for axis in figure.axes for line in axis.lines}


def test_lines_are_those_of_the_numbers() -> None:
    figure = line_chart([1, 10], {"a $5 bill": [3, 4], "b": [5, 6]}, log=True, dotted={"here": 5}, limits=(0, 9))
    found = drawn(figure)
    assert (found[r"a \$5 bill"], found["here"][0]) == (([1, 10], [3, 4]), [5, 5])
    assert (figure.axes[0].get_xscale(), figure.axes[0].get_ylim()) == ("log", (0, 9))
    many = line_chart([1, 2], {"seeds": np.array([[1, 2], [3, 4]])}, legend="beside")
    assert (len(many.axes[0].lines), [text.get_text() for text in many.axes[0].get_legend().texts]) == (2, ["seeds"])


def test_a_photo_keeps_its_pixels_and_a_short_row_ends_early() -> None:
    red = load_image(Image.new("RGB", (40, 20), (200, 0, 0)))
    figure = panels([[Panel(red, "one"), Panel(red, "two")], [Panel(red)]], (4, 2), names=["above", "below"])
    assert [len(axis.images) for axis in figure.axes] == [1, 1, 1, 0]
    assert (np.asarray(figure.axes[0].images[0].get_array()) == (200, 0, 0)).all()
    assert figure.axes[2].get_title(loc="left") == "below"


def test_maps_with_the_same_limits_share_a_bar() -> None:
    axis, bar = panels([[Panel(np.eye(4), "map", (-1, 1))]], (3, 3), bar="cosine").axes
    assert (axis.images[0].get_clim(), bar.get_ylabel()) == ((-1, 1), "cosine")


def test_a_line_goes_around_the_thing() -> None:
    thing = np.zeros((40, 80), bool)
    thing[10:20, 40:60] = True
    axis = panels([[Panel(Image.new("RGB", (80, 40)), around=thing)]], (4, 2)).axes[0]
    box = axis.collections[0].get_datalim(axis.transData)
    assert (box.x0, box.x1, box.y0, box.y1) == pytest.approx((40, 60, 10, 20), abs=1)


# Shown in a notebook --------------------------------------------------------------------------------------------------


def test_the_last_figure_or_a_given_one_is_shown_with_its_text_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        "IPython.display.display", lambda bundle, metadata, raw: shown.append((bundle, metadata)) if raw else None
    )
    plt.figure(figsize=(3, 2))
    plt.plot([1, 2])
    show_figure("A line\n    that rises.")
    assert plt.get_fignums() == []
    figure, other = plt.figure(figsize=(4, 2)), plt.figure(figsize=(1, 1))
    show_figure("A figure.", figure)
    assert plt.get_fignums() == [other.number]
    plt.close(other)
    texts = [(bundle["text/plain"], metadata["image/png"]["alt"]) for bundle, metadata in shown]
    assert texts == [("A line that rises.",) * 2, ("A figure.",) * 2]
    pictures = [Image.open(BytesIO(bundle["image/png"])) for bundle, _ in shown]
    assert [picture.format for picture in pictures] == ["PNG", "PNG"]
    assert 1.8 < pictures[1].width / pictures[1].height < 2.2, "of the figure that was given"


def test_bars_are_those_that_were_drawn_last() -> None:
    chart = live_bars(["cat", "dog"], height=240)
    chart.draw({"y": [0.25, 0.75]})
    chart.draw({"y": [0.5, 0.5]})
    bars, layout = chart.figure.data[0], chart.figure.layout
    assert (list(bars.x), list(bars.y)) == (["cat", "dog"], [0.5, 0.5])
    assert (layout.height, layout.yaxis.range) == (240, (0, 1))


def test_every_trace_gets_something_new() -> None:
    with pytest.raises(ValueError, match="zip"):
        live_bars(["cat"]).draw({"y": [0.25]}, {"y": [0.5]})


def test_only_the_last_drawing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("IPython.display.clear_output", lambda wait: done.append("cleared"))
    monkeypatch.setattr("IPython.display.display", lambda figure: done.append("shown"))
    live_bars(["cat"]).draw({"y": [0.25]})
    assert done == ["cleared", "shown"]
