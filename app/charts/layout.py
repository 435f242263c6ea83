"""What all charts have in common: a template, and the few axes they share. Colours of data come from the page's theme.

A chart stands still: nothing is dragged or zoomed, and the wheel belongs to who scrolls by. Margins are as wide as
what is written in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

from app import text

CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
GREY, PALE_GREY = "#8a9698", "rgba(138, 150, 152, 0.3)"
"""Seen on white and on black."""
BESIDE = {"r": 60}
"""The margin of a chart with values beside its bars: pixels that the longest one takes, however narrow the chart is."""
HEIGHT = 310
"""Of a chart whose height does not follow from its rows."""

WHOLE = [0, 104]
"""From 0 to 100 %, and the half of a point that lies at the end."""

_STILL = {"fixedrange": True, "automargin": True}
pio.templates["gallop"] = go.layout.Template(
    layout={
        "margin": {"l": 0, "r": 0, "t": 10, "b": 0},
        "dragmode": False,
        "showlegend": False,
        "legend": {"orientation": "h", "traceorder": "normal", "x": 0, "y": 1, "yanchor": "bottom"},
        "xaxis": _STILL,
        "yaxis": _STILL,
        "shapedefaults": {"line": {"color": GREY, "dash": "dash", "width": 2}},
        "bargap": 0.25,
    },
    data={
        "heatmap": [{"colorscale": "Cividis", "showscale": False}],  # read alike by colour-blind eyes, and in grey
        "scatter": [{"marker": {"size": 11}}],
    },
)


def new_chart(traces: Any, *, height: int = HEIGHT, **layout: Any) -> go.Figure:
    """Return a figure that is drawn as all are: ours on top of the template that is the default where it is shown."""
    return go.Figure(traces, {"template": _on_top_of(pio.templates.default), "height": height} | layout)


@cache
def _on_top_of(template: str) -> Any:
    """Merging takes 20 ms, as much as all else of a chart."""
    return pio.templates.merge_templates(template, "gallop")


def line_at(*, x: float | None = None, y: float | None = None) -> dict[str, Any]:
    """Return a dashed line through the whole chart: upright at ``x``, or level at ``y``."""
    upright = {"x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}
    level = {"x0": 0, "x1": 1, "xref": "paper", "y0": y, "y1": y}
    return {"type": "line"} | (upright if y is None else level)


def band(low: float, high: float) -> dict[str, Any]:
    """Return an upright band over the chart, which is seen through it."""
    return line_at(x=low) | {"type": "rect", "x1": high, "fillcolor": GREY, "opacity": 0.25, "line": {"width": 0}}


def rows_height(rows: int, each: int = 30) -> int:
    """Return the height of a chart with a row for each thing, and an axis below."""
    return 80 + each * rows


def named_rows(names: Sequence[str]) -> dict[str, Any]:
    """Return a y-axis with a row for each name, the first on top.

    Rows stand at numbers and names are only written there: two equal (shortened) names stay two rows.
    """
    ticks = {"tickvals": list(range(len(names))), "ticktext": [text.plotly(name) for name in names]}
    return ticks | {"range": [len(names) - 0.5, -0.5], "zeroline": False}


def percent_axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis of shares in percent; with the range ``WHOLE`` from none to all of them."""
    return titled_axis(title, ticksuffix=" %", **more)


def titled_axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis that says what is measured."""
    return {"title": {"text": title}} | more
