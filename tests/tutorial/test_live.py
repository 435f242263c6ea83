"""Charts that follow a widget: what is drawn last is shown, and nothing of what was there before."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="needs the extra 'notebooks'")
pytest.importorskip("plotly", reason="needs the extra 'notebooks'")

from gallop.tutorial.live import live_bars, live_heaps, live_lines, live_maps


def test_bars_are_those_that_were_drawn_last() -> None:
    chart = live_bars(["cat", "dog"], height=240)
    chart.draw({"y": [0.25, 0.75]})
    chart.draw({"y": [0.5, 0.5]})
    assert list(chart.figure.data[0].x) == ["cat", "dog"]
    assert list(chart.figure.data[0].y) == [0.5, 0.5]
    assert chart.figure.layout.height == 240
    assert chart.figure.layout.yaxis.range == (0, 1)


def test_lines_stand_in_the_chart_of_their_group() -> None:
    chart = live_lines({"loss": ["total", "local"], "accuracy": ["both", "one"]}, ("black", "red"))
    chart.draw(*({"x": [1, 2], "y": [number, number]} for number in range(4)))
    assert [(trace.name, trace.xaxis, trace.line.color, list(trace.y)) for trace in chart.figure.data] == [
        ("total", "x", "black", [0, 0]),
        ("local", "x", "red", [1, 1]),
        ("both", "x2", "black", [2, 2]),
        ("one", "x2", "red", [3, 3]),
    ]


def test_heaps_have_a_line_that_can_be_moved() -> None:
    chart = live_heaps({"known": "blue", "unknown": "red"}, "score")
    chart.figure.layout.shapes[0].update(x0=3, x1=3)
    chart.draw({"x": [1, 2]}, {"x": [4]})
    assert [list(trace.x) for trace in chart.figure.data] == [[1, 2], [4]]
    assert chart.figure.layout.shapes[0].x0 == 3


def test_maps_are_drawn_from_the_top() -> None:
    chart = live_maps(["one", "two"])
    chart.draw({"z": [[0, 1]]}, {"z": [[1, 0]]})
    assert [trace.z[0][0] for trace in chart.figure.data] == [0, 1]
    assert chart.figure.layout.yaxis.autorange == chart.figure.layout.yaxis2.autorange == "reversed"


def test_every_trace_gets_something_new() -> None:
    with pytest.raises(ValueError, match="zip"):
        live_maps(["one", "two"]).draw({"z": [[0]]})


def test_only_the_last_drawing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("IPython.display.clear_output", lambda wait: done.append("cleared"))
    monkeypatch.setattr("IPython.display.display", lambda figure: done.append("shown"))
    live_bars(["cat"]).draw({"y": [0.25]})
    assert done == ["cleared", "shown"]
