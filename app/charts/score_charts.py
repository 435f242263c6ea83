"""Plotly charts. Colours come from the theme, so they follow light and dark. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from app.charts.layout import (
    BESIDE,
    GREY,
    PALE_GREY,
    band,
    line_at,
    named_rows,
    new_chart,
    percent_axis,
    rows_height,
    titled_axis,
)

if TYPE_CHECKING:
    from gallop.predictions.faithfulness import Deletion


def prompt_scores(scores: Sequence[float], highest: float) -> go.Figure:
    """A bar for each global prompt's cosine with one class; the dashed line is their mean, the band their spread.

    Args:
        highest: score of any class, so that another class is drawn to the same scale.
    """
    mean, spread = fmean(scores), pstdev(scores)
    names = [f"prompt {number}" for number, _ in enumerate(scores, 1)]
    bars = go.Bar(
        x=list(scores),
        y=list(range(len(scores))),
        orientation="h",
        text=[f"{score:.3f}" for score in scores],
        textposition="outside",  # in the page's own text colour, read on light and on dark
        cliponaxis=False,
        customdata=names,
        hovertemplate="%{customdata}: %{x:.4f}<extra></extra>",
    )
    span = [1.15 * min(0.0, *scores), max(highest, 0.01)]
    return new_chart(
        bars,
        height=rows_height(len(scores)),
        xaxis={"range": span},
        margin=BESIDE,
        yaxis=named_rows(names),
        shapes=[band(mean - spread, mean + spread), line_at(x=mean)],
    )


def deletion_curve(found: Deletion) -> go.Figure:
    """Scores as regions are taken away: in the map's order, and the mean and range of the random orders."""
    share = (100 * found.removed).tolist()
    hover = "%{x:.0f} % gone: %{y:.4f}"
    edge = {"x": share, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    lowest, mean, highest = (of(found.at_random, axis=0).tolist() for of in (np.min, np.mean, np.max))
    dashed = {"color": GREY, "dash": "dash"}
    mapped = {"mode": "lines+markers", "line": {"width": 3}, "marker": {"size": 6}}
    lines = [  # the first one takes the theme's first colour
        go.Scatter(x=share, y=found.by_map.tolist(), name="best regions first", hovertemplate=hover, **mapped),
        go.Scatter(x=share, y=mean, name="at random", mode="lines", hovertemplate=hover, line=dashed),
        go.Scatter(y=lowest, **edge),
        go.Scatter(y=highest, fill="tonexty", fillcolor=PALE_GREY, **edge),
    ]
    xaxis, yaxis = percent_axis("regions taken away"), titled_axis("score", rangemode="tozero")
    return new_chart(lines, xaxis=xaxis, yaxis=yaxis, showlegend=True)
