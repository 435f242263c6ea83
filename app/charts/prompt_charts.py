"""Charts of the prompts: who is like whom, where each looks, what each is worth. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.charts.layout import line_at, named_rows, new_chart, percent_axis, rows_height


def matrix(values: NDArray[Any], names: Sequence[str], *, low: float = 0.0, digits: int = 2) -> go.Figure:
    """Every pair of prompts: the brighter, from ``low`` to 1, the more alike; each number is written in its place."""
    cells = go.Heatmap(
        z=values.tolist(),
        x=list(names),
        y=list(names),
        zmin=low,
        zmax=1,
        texttemplate=f"%{{z:.{digits}f}}",
        xgap=2,
        ygap=2,
        hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
    )
    return new_chart(
        cells,
        height=rows_height(len(names), 46),
        xaxis={"side": "top", "tickangle": 0 if len(names) <= 4 else -45, "showgrid": False},
        yaxis={"autorange": "reversed", "showgrid": False},
    )


def overlap_chart(shares: NDArray[np.float64], grid: tuple[int, int], highest: float) -> go.Figure:
    """How often each region was among the k best of one prompt; the brightest colour stands for ``highest``."""
    cells = go.Heatmap(
        z=(100 * shares.reshape(grid)).tolist(),
        zmin=0,
        zmax=100 * highest,
        hovertemplate="row %{y}, column %{x}: in %{z:.0f} % of the photos<extra></extra>",
        x0=1,
        y0=1,
    )
    hidden = {"visible": False, "constrain": "domain"}
    return new_chart(cells, height=240, xaxis=hidden, yaxis=hidden | {"autorange": "reversed", "scaleanchor": "x"})


def without(names: Sequence[str], shares: Sequence[float | None], overall: float) -> go.Figure:
    """A point for each prompt: the share that is right without it. The dashed line is with all of them."""
    there = [(name, share) for name, share in zip(names, shares, strict=True) if share is not None]
    points = go.Scatter(
        x=[100 * share for _, share in there],
        y=list(range(len(there))),
        mode="markers",
        customdata=[name for name, _ in there],
        hovertemplate="without %{customdata}: %{x:.1f} %<extra></extra>",
    )
    values = [100 * overall, *(100 * share for _, share in there)]
    room = max((max(values) - min(values)) / 8, 2.0)
    return new_chart(
        points,
        height=rows_height(len(there)),
        xaxis=percent_axis("right without it", range=[min(values) - room, max(values) + room]),
        yaxis=named_rows([name for name, _ in there]),
        shapes=[line_at(x=100 * overall)],
    )
