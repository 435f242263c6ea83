"""What a notebook shows: figures with their text, charts that follow a widget, and the minutes ahead."""

from __future__ import annotations

import itertools
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from gallop.images import load_image
from gallop.lab.tutorial import TimeAhead, frozen_backbone, show_figure, time_ahead
from tests import tiny

pytest.importorskip("ipywidgets", reason="needs the extra 'notebooks'")
pytest.importorskip("plotly", reason="needs the extra 'notebooks'")

from gallop.lab.tutorial.live import live_bars


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


def test_it_is_what_there_is_to_do_at_the_measured_pace() -> None:
    ahead = TimeAhead(photos=100, each=0.03, steps=200, step=0.06)
    assert ahead.seconds == pytest.approx(15)
    assert [told for told in ("about 15 seconds", "100 photos", "60 ms") if told not in str(ahead)] == []
    assert "about 4.1 minutes" in str(TimeAhead(photos=1000, each=0.1, steps=1000, step=0.146))


def test_one_photo_and_one_step_are_measured_after_a_first_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backbone = frozen_backbone(str(tiny.backbone_folder(tmp_path)))
    ticks = itertools.chain([0.0, 0.5, 1.0, 2.0], itertools.count(4.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    ahead = time_ahead(backbone, ["red", "blue", "green"], load_image(tiny.picture(0)), photos=7, steps=3, batch=4)
    assert ahead == TimeAhead(photos=7, each=0.5, steps=3, step=2.0), "the second step, from 2 to 4"
