"""Charts of the prompts: who is like whom, where each looks, what each is worth. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.charts.layout import line_at, named_rows, new_chart, percent_axis, rows_height

SAME = 4
"""Digits of a cosine: from 0.9999 on a square has the brightest colour."""


def cosines(values: NDArray[Any], names: Sequence[str]) -> go.Figure:
    """Every pair of prompts by its cosine: the brighter, the more alike, and equal cosines alike on every page.

    Cosines crowd below 1, so colours go by the digits of what is missing to 1: 0.9, 0.99 and 0.999 are as far apart.
    """
    return _squares(-np.log10(np.clip(1 - values, 10.0**-SAME, 1)) / SAME, values, names, digits=3)


def matrix(values: NDArray[Any], names: Sequence[str]) -> go.Figure:
    """Every pair of prompts by a share from 0 to 1: the brighter, the larger."""
    return _squares(values, values, names, digits=2)


def _squares(colours: NDArray[Any], values: NDArray[Any], names: Sequence[str], digits: int) -> go.Figure:
    """A square for each pair, coloured from 0 to 1, in which its value is written."""
    cells = go.Heatmap(
        z=colours.tolist(),
        text=[[f"{value:.{digits}f}" for value in row] for row in values.tolist()],
        x=list(names),
        y=list(names),
        zmin=0,
        zmax=1,
        texttemplate="%{text}",
        xgap=2,
        ygap=2,
        hovertemplate="%{y} and %{x}: %{text}<extra></extra>",
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
