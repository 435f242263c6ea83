"""Charts of runs: the spread over seeds, and two learning curves in one. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app import text
from app.charts.layout import GREY, named_rows, new_chart, percent_axis, rows_height, titled_axis
from app.runs.run import Run, Spread


def seeds_chart(spreads: Mapping[str, Spread]) -> go.Figure:
    """A dot for each seed's accuracy, and a bar from end to end of the mean's 95 % interval, for each of some runs."""
    names = list(spreads)
    lines: list[Any] = []
    for place, (name, found) in enumerate(spreads.items()):
        low, high = found.interval
        bar = {"type": "data", "symmetric": False, "array": [100 * (high - found.mean)], "thickness": 3, "width": 10}
        mean = go.Scatter(x=[100 * found.mean], y=[place], mode="markers", error_x=bar)
        mean.error_x.arrayminus = [100 * (found.mean - low)]
        mean.update(marker={"size": 14, "symbol": "line-ns-open", "color": GREY}, error_x={"color": GREY})
        mean.hovertemplate = f"{text.plotly(name)}: mean %{{x:.1f}} %<extra></extra>"
        dots = go.Scatter(x=[100 * value for value in found.values], y=[place] * len(found.values), mode="markers")
        dots.update(marker={"opacity": 0.75}, hovertemplate="%{x:.1f} %<extra></extra>")
        lines += [dots, mean]
    xaxis = percent_axis("right on the test photos")
    return new_chart(lines, height=rows_height(len(names), 60), xaxis=xaxis, yaxis=named_rows(names))


def losses(runs: Mapping[str, Run]) -> go.Figure:
    """The loss of several runs, step by step."""
    lines = [
        go.Scatter(
            x=[point.step for point in run.history],
            y=[point.loss for point in run.history],
            mode="lines",
            name=label,
            line={"dash": dash},
            hovertemplate="step %{x}: loss %{y:.3f}",
        )
        for (label, run), dash in zip(runs.items(), ("solid", "dash"), strict=False)
    ]
    return new_chart(lines, xaxis=titled_axis("step"), yaxis=titled_axis("loss", rangemode="tozero"), showlegend=True)


def seeds_in_words(spreads: Mapping[str, Spread]) -> str:
    """The same for who cannot see it."""
    return " ".join(f"{text.shorten(name)}: {spread_in_words(found)}." for name, found in spreads.items())


def spread_in_words(found: Spread) -> str:
    """Such as "71.0 % on average over 5 seeds, from 64.0 % to 78.0 %, standard deviation 6.0 points"."""
    return (
        f"{found.mean:.1%} on average over {len(found.values)} seeds, from {min(found.values):.1%} to "
        f"{max(found.values):.1%}, standard deviation {100 * found.deviation:.1f} points"
    ).replace("%", " %")


def losses_in_words(runs: Mapping[str, Run]) -> str:
    """First and last loss of each."""
    return " ".join(f"{label}: loss {_ends(run)}." for label, run in runs.items())


def _ends(run: Run) -> str:
    points: Sequence[Any] = run.history
    return f"{points[0].loss:.3f} at step {points[0].step}, {points[-1].loss:.3f} at step {points[-1].step}"
