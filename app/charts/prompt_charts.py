"""Charts of the prompts: who is like whom, where each looks, what each is worth. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.charts.score_charts import GREY

_COLOURS = "Cividis"
"""Read alike with every common kind of colour blindness, and in grey."""


def matrix(values: NDArray[Any], names: Sequence[str], *, low: float = 0.0, digits: int = 2) -> go.Figure:
    """Every pair of prompts: the brighter, from ``low`` to 1, the more alike; each number is written in its place."""
    cells = go.Heatmap(
        z=values.tolist(),
        x=list(names),
        y=list(names),
        zmin=low,
        zmax=1,
        colorscale=_COLOURS,
        showscale=False,
        texttemplate=f"%{{z:.{digits}f}}",
        xgap=2,
        ygap=2,
        hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
    )
    axis = {"fixedrange": True, "showgrid": False, "automargin": True}
    return go.Figure(
        [cells],
        {
            "xaxis": axis | {"side": "top", "tickangle": 0 if len(names) <= 4 else -45},
            "yaxis": axis | {"autorange": "reversed"},
            "height": 80 + 46 * len(names),
            "margin": {"l": 0, "r": 0, "t": 30, "b": 0},
            "dragmode": False,
        },
    )


def overlap_chart(shares: NDArray[np.float64], grid: tuple[int, int], highest: float) -> go.Figure:
    """How often each region was among the k best of one prompt; the brightest colour stands for ``highest``."""
    cells = go.Heatmap(
        z=(100 * shares.reshape(grid)).tolist(),
        zmin=0,
        zmax=100 * highest,
        colorscale=_COLOURS,
        showscale=False,
        hovertemplate="row %{y}, column %{x}: in %{z:.0f} % of the photos<extra></extra>",
        x0=1,
        y0=1,
    )
    hidden = {"visible": False, "fixedrange": True}
    return go.Figure(
        [cells],
        {
            "xaxis": hidden | {"constrain": "domain"},
            "yaxis": hidden | {"autorange": "reversed", "scaleanchor": "x", "constrain": "domain"},
            "height": 240,
            "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
            "dragmode": False,
        },
    )


def without(names: Sequence[str], shares: Sequence[float | None], overall: float) -> go.Figure:
    """A point for each prompt: the share that is right without it. The dashed line is with all of them."""
    there = [(name, share) for name, share in zip(names, shares, strict=True) if share is not None]
    places = list(range(len(there)))
    points = go.Scatter(
        x=[100 * share for _, share in there],
        y=places,
        mode="markers",
        marker={"size": 11},
        customdata=[name for name, _ in there],
        hovertemplate="without %{customdata}: %{x:.1f} %<extra></extra>",
    )
    values = [100 * overall, *(100 * share for _, share in there)]
    room = max((max(values) - min(values)) / 8, 2.0)
    return go.Figure(
        [points],
        {
            "xaxis": {
                "title": "right without it",
                "range": [min(values) - room, max(values) + room],
                "ticksuffix": " %",
                "fixedrange": True,
            },
            "yaxis": {
                "tickvals": places,
                "ticktext": [name for name, _ in there],
                "autorange": "reversed",
                "fixedrange": True,
                "automargin": True,
            },
            "shapes": [
                {
                    "type": "line",
                    "x0": 100 * overall,
                    "x1": 100 * overall,
                    "y0": 0,
                    "y1": 1,
                    "yref": "paper",
                    "line": {"dash": "dash", "width": 2, "color": GREY},
                }
            ],
            "height": 90 + 28 * len(there),
            "margin": {"l": 0, "r": 0, "t": 10, "b": 0},
            "dragmode": False,
            "showlegend": False,
        },
    )
