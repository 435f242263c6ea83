"""Plotly charts. Colours come from the theme, so they follow light and dark. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from app import text

if TYPE_CHECKING:
    from gallop.predictions.faithfulness import Deletion

MOST_BARS = 8
MOST_GROUPS = 5
"""Classes with a bar for each branch."""
GREY = "#8a9698"
"""Seen on white and on black."""
CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
"""A chart must not catch the wheel of somebody who scrolls by."""


def strongest(probabilities: Mapping[str, float], most: int = MOST_BARS) -> list[str]:
    """The most probable names, best first."""
    return sorted(probabilities, key=lambda name: -probabilities[name])[:most]


def probabilities(found: Mapping[str, float]) -> go.Figure:
    """A bar for each of the most probable classes, best on top."""
    names = strongest(found)
    return go.Figure(_bars(names, [found[name] for name in names]), _shares(names, bars=len(names)))


def branches(found: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """A bar for each of the most probable classes and each branch; the first branch (the ensemble) sets the order."""
    ensemble = next(iter(found.values()))
    names = strongest(ensemble, MOST_BARS if len(found) == 1 else MOST_GROUPS)
    bars = [_bars(names, [shares[name] for name in names], label) for label, shares in found.items()]
    layout = _shares(names, bars=len(found) * len(names))
    return go.Figure(bars, _grouped(layout) if len(found) > 1 else layout)


def before_after(before: Mapping[str, float], after: Mapping[str, float]) -> go.Figure:
    """Two bars for each class: what zero-shot said, and what the taught prompts say."""
    shown = strongest({name: max(before[name], after[name]) for name in after})
    names = sorted(shown, key=lambda name: -after[name])
    bars = [
        _bars(names, [after[name] for name in names], "after teaching"),
        _bars(names, [before[name] for name in names], "before (zero-shot)"),
    ]
    layout = _shares(names, bars=2 * len(names))
    bars[1].marker.color = GREY
    return go.Figure(bars, _grouped(layout))


def prompt_scores(scores: Sequence[float], highest: float) -> go.Figure:
    """A bar for each global prompt's cosine with one class; the dashed line is their mean, the band their spread.

    Args:
        highest: score of any class, so that another class is drawn to the same scale.
    """
    mean, spread, places = fmean(scores), pstdev(scores), list(range(len(scores)))
    bars = _bar(
        scores,
        ticks=[f"prompt {number + 1}" for number in places],
        written=[f"{score:.3f}" for score in scores],
        hover="%{customdata}: %{x:.4f}<extra></extra>",
    )
    layout = _layout(bars["customdata"], [1.15 * min(0.0, *scores), 1.15 * max(highest, 0.01)], len(scores))
    line = {"type": "line", "x0": mean, "x1": mean, "y0": 0, "y1": 1, "yref": "paper"}
    band = {"type": "rect", "x0": mean - spread, "x1": mean + spread, "y0": 0, "y1": 1, "yref": "paper"}
    layout["shapes"] = [
        band | {"fillcolor": GREY, "opacity": 0.25, "line": {"width": 0}},
        line | {"line": {"dash": "dash", "width": 2, "color": GREY}},
    ]
    return go.Figure(bars, layout)


def deletion_curve(found: Deletion) -> go.Figure:
    """Scores as regions are taken away: in the map's order, and the mean and range of the random orders."""
    share = (100 * found.removed).tolist()
    hover = "%{x:.0f} % gone: %{y:.4f}"
    edge = {"x": share, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    lowest, mean, highest = (of(found.at_random, axis=0).tolist() for of in (np.min, np.mean, np.max))
    dashed = {"color": GREY, "dash": "dash"}
    lines = [  # the first one takes the theme's first colour
        go.Scatter(x=share, y=found.by_map.tolist(), name="best regions first", hovertemplate=hover, line={"width": 3}),
        go.Scatter(x=share, y=mean, name="at random", mode="lines", hovertemplate=hover, line=dashed),
        go.Scatter(y=lowest, **edge),
        go.Scatter(y=highest, fill="tonexty", fillcolor="rgba(138, 150, 152, 0.3)", **edge),
    ]
    layout = {
        "xaxis": {"title": "regions taken away", "ticksuffix": " %", "fixedrange": True},
        "yaxis": {"title": "score", "fixedrange": True, "rangemode": "tozero"},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "height": 300,
        "margin": {"l": 0, "r": 0, "t": 30, "b": 0},
        "dragmode": False,
    }
    return go.Figure(lines, layout)


def _bars(names: Sequence[str], values: Sequence[float], label: str | None = None) -> go.Bar:
    bars = _bar(
        [100 * value for value in values],
        ticks=[text.plotly(name, 80) for name in names],
        written=[text.percent(value) for value in values],
        hover="%{customdata}: %{x:.2f} %<extra></extra>",
    )
    bars.name = label
    return bars


def _bar(values: Sequence[float], ticks: Sequence[str], written: Sequence[str], hover: str) -> go.Bar:
    """Bars stand at numbers and names are only written there: two equal (shortened) names stay two bars."""
    return go.Bar(
        x=list(values),
        y=list(range(len(values))),
        orientation="h",
        text=list(written),
        textposition="outside",  # in the page's own text colour, read on light and on dark
        cliponaxis=False,
        customdata=list(ticks),
        hovertemplate=hover,
    )


def _shares(names: Sequence[str], bars: int) -> dict[str, Any]:
    layout = _layout([text.plotly(name) for name in names], [0, 118], bars)
    layout["xaxis"] |= {"tickvals": [0, 25, 50, 75, 100], "ticksuffix": " %"}
    return layout


def _grouped(layout: dict[str, Any]) -> dict[str, Any]:
    """The layout with room for several bars a place, and for what they mean."""
    legend = {"orientation": "h", "traceorder": "normal", "x": 0, "y": 1, "yanchor": "bottom"}
    margin = layout["margin"] | {"t": 38}
    return layout | {"barmode": "group", "legend": legend, "height": layout["height"] + 30, "margin": margin}


def _layout(ticks: Sequence[str], span: Sequence[float], bars: int) -> dict[str, Any]:
    places = list(range(len(ticks)))
    yaxis = {"tickvals": places, "ticktext": list(ticks), "automargin": True, "fixedrange": True}
    return {
        "xaxis": {"range": list(span), "fixedrange": True},
        "yaxis": yaxis | {"autorange": "reversed"},
        "height": 70 + 30 * bars,
        "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
        "bargap": 0.25,
        "dragmode": False,
    }
