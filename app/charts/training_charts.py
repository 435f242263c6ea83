"""Charts of a training: loss and accuracy step by step, and which prompts were kept. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from app import text
from app.charts.layout import PALE_GREY, WHOLE, new_chart, percent_axis, titled_axis
from app.teaching.progress import Kept, Point

_MOST_POINTS = 300
_HEIGHT, _LOW = 230, 150
"""They are looked at while they grow, below the button and beside the cards."""
_KEPT = "#0f8579"


def learning(history: Sequence[Point], steps: int) -> go.Figure:
    """Loss above, accuracy below, over a training's ``steps``; the axes stand still while it runs."""
    every = max(len(history) // _MOST_POINTS, 1)
    shown = [*history[:-1:every], *history[-1:]]
    numbers = [point.step for point in shown]
    loss = go.Scatter(x=numbers, y=[point.loss for point in shown], mode="lines", name="loss")
    right = go.Scatter(x=numbers, y=[100 * point.accuracy for point in shown], mode="lines", name="right", yaxis="y2")
    loss.hovertemplate, right.hovertemplate = (
        "step %{x}: loss %{y:.3f}<extra></extra>",
        "step %{x}: %{y:.0f} %<extra></extra>",
    )
    highest = max((point.loss for point in shown), default=1.0)
    return new_chart(
        [loss, right],
        height=_HEIGHT,
        xaxis=titled_axis("step", range=[0, max(steps, 2)], anchor="y2"),
        yaxis=titled_axis("loss", range=[0, 1.05 * highest], domain=[0.56, 1]),
        yaxis2=percent_axis("right", range=WHOLE, domain=[0, 0.44]),
    )


def kept_prompts(kept: Kept | None, total: int) -> go.Figure:
    """A row for each global prompt, a column for each photo of the step's batch; filled where it was kept."""
    columns = kept.prompts if kept else ()
    names = [text.plotly(name, 40) for name in (kept.photos if kept else ())]
    rows = [[int(m in chosen) for chosen in columns] for m in range(total)]
    grid = go.Heatmap(
        z=rows or None,
        y=list(range(1, total + 1)),
        customdata=[names] * total,
        zmin=0,
        zmax=1,
        colorscale=[[0, PALE_GREY], [0.5, PALE_GREY], [0.5, _KEPT], [1, _KEPT]],
        xgap=1,
        ygap=3,
        hovertemplate="prompt %{y}, %{customdata}<extra></extra>",
    )
    return new_chart(
        grid,
        height=_LOW,
        xaxis=titled_axis("photos of this step", showticklabels=False, showgrid=False),
        yaxis=titled_axis("global prompt", tickvals=list(range(1, total + 1)), autorange="reversed", showgrid=False),
    )


def curve_in_words(history: Sequence[Point]) -> str:
    """The learning curves for who cannot see them."""
    if not history:
        return "No step has been made yet."
    first, last = history[0], history[-1]
    return (
        f"Loss {first.loss:.3f} at step {first.step}, {last.loss:.3f} at step {last.step}; "
        f"right {first.accuracy:.0%}, then {last.accuracy:.0%}."
    )


def kept_in_words(kept: Kept | None) -> str:
    """How many photos of the step kept each prompt."""
    if kept is None:
        return "No step has been made yet."
    counts = [sum(m in chosen for chosen in kept.prompts) for m in range(kept.total)]
    each = ", ".join(f"prompt {m} by {count}" for m, count in enumerate(counts, 1))
    return f"Step {kept.step}: of {len(kept.photos)} photos, {each}."
