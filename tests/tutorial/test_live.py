"""Charts that follow a widget: what is drawn last is shown, and nothing of what was there before."""

from __future__ import annotations

import pytest

pytest.importorskip("ipywidgets", reason="needs the extra 'notebooks'")
pytest.importorskip("plotly", reason="needs the extra 'notebooks'")

from gallop.lab.tutorial.live import live_bars


def test_bars_are_those_that_were_drawn_last() -> None:
    chart = live_bars(["cat", "dog"], height=240)
    chart.draw({"y": [0.25, 0.75]})
    chart.draw({"y": [0.5, 0.5]})
    assert list(chart.figure.data[0].x) == ["cat", "dog"]
    assert (list(chart.figure.data[0].y), chart.figure.layout.height) == ([0.5, 0.5], 240)
    assert chart.figure.layout.yaxis.range == (0, 1)


def test_every_trace_gets_something_new() -> None:
    with pytest.raises(ValueError, match="zip"):
        live_bars(["cat"]).draw({"y": [0.25]}, {"y": [0.5]})


def test_only_the_last_drawing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("IPython.display.clear_output", lambda wait: done.append("cleared"))
    monkeypatch.setattr("IPython.display.display", lambda figure: done.append("shown"))
    live_bars(["cat"]).draw({"y": [0.25]})
    assert done == ["cleared", "shown"]
