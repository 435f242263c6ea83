"""Charts of a test: shares with their intervals, calibration, and what is none of these. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app import text
from app.charts.score_charts import GREY
from gallop.evaluation.intervals import Share
from gallop.model.scores import VERDICT

if TYPE_CHECKING:
    from gallop.evaluation.measure import Bin, Separation

_HEIGHT = 320
HISTOGRAM_BINS = 24
_SHARES = {"range": [0, 104], "ticksuffix": " %", "fixedrange": True}


def classes(shares: Mapping[str, Share], overall: Share) -> go.Figure:
    """A point for each class with its interval; the dashed line is the share of all photos."""
    names = list(shares)
    points = _points(
        x=[100 * share.value for share in shares.values()],
        y=list(range(len(names))),
        spans=[share.interval for share in shares.values()],
        axis="x",
        words=[f"{text.plotly(name, 80)}: {share_in_words(share)}" for name, share in shares.items()],
    )
    yaxis = {"tickvals": list(range(len(names))), "ticktext": [text.plotly(name) for name in names]}
    layout = _layout(
        height=90 + 30 * len(names),
        xaxis=_SHARES | {"title": "right", "dtick": 25},
        yaxis=yaxis | {"automargin": True, "fixedrange": True, "range": [len(names) - 0.5, -0.5]},
    )
    layout["shapes"] = [_line(x=100 * overall.value)]
    return go.Figure([points], layout)


def reliability(bins: Sequence[Bin]) -> go.Figure:
    """For photos of like confidence the share that is right; on the dashed line answers are as sure as they may be."""
    points = _points(
        x=[100 * each.confidence for each in bins],
        y=[100 * each.right.value for each in bins],
        spans=[each.right.interval for each in bins],
        axis="y",
        words=[f"{each.confidence:.0%} sure: {share_in_words(each.right)}" for each in bins],
        sizes=[7 + 3 * each.right.of**0.5 for each in bins],
    )
    line = go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line={"dash": "dash", "color": GREY}, hoverinfo="skip")
    span = {"range": [0, 104], "ticksuffix": " %", "fixedrange": True}
    return go.Figure([points, line], _layout(xaxis=span | {"title": "how sure it is"}, yaxis=span | {"title": "right"}))


def outliers(known: NDArray[np.float32], unknown: NDArray[np.float32], limit: float | None) -> go.Figure:
    """How the outlier scores of known and unknown photos are spread, as shares of either; the line is the limit."""
    both = np.concatenate([known, unknown])
    low, high = float(both.min()), float(both.max())
    size = max((high - low) / HISTOGRAM_BINS, 1e-6)
    bars = [
        go.Histogram(
            x=scores.tolist(),
            name=name,
            histnorm="percent",
            opacity=0.65,
            xbins={"start": low, "end": high + size, "size": size},
            hovertemplate=f"%{{x}}: %{{y:.0f}} % of the {name} photos<extra></extra>",
        )
        for name, scores in (("known", known), ("unknown", unknown))
        if scores.size
    ]
    layout = _layout(
        xaxis={"title": f"outlier score ({VERDICT})", "fixedrange": True},
        yaxis={"title": "photos", "ticksuffix": " %", "fixedrange": True},
    )
    layout |= {"barmode": "overlay", "showlegend": True, "legend": _LEGEND, "margin": layout["margin"] | {"t": 40}}
    if limit is not None:
        layout["shapes"] = [_line(x=limit)]
        layout["annotations"] = [
            {"x": limit, "y": 1, "yref": "paper", "yanchor": "bottom", "text": "limit", "showarrow": False}
        ]
    return go.Figure(bars, layout)


def roc(found: Mapping[str, Separation]) -> go.Figure:
    """For each score the share of known photos kept against the share of unknown ones that pass for known."""
    lines = [
        go.Scatter(
            x=(100 * each.unknown_kept).tolist(),
            y=(100 * each.known_kept).tolist(),
            name=name,
            mode="lines",
            hovertemplate="%{y:.0f} % of the known kept, %{x:.0f} % of the unknown pass<extra>" + name + "</extra>",
        )
        for name, each in found.items()
    ]
    layout = _layout(
        xaxis=_SHARES | {"title": "unknown photos that pass for known"}, yaxis=_SHARES | {"title": "known photos kept"}
    )
    layout |= {"showlegend": True, "legend": _LEGEND, "margin": layout["margin"] | {"t": 40}}
    layout["shapes"] = [_line(y=95)]
    return go.Figure(lines, layout)


def share_in_words(share: Share) -> str:
    """Such as "5 of 8 right, 62 % (31 to 86 %)"."""
    return f"{share.right} of {share.of} right, {span(share)}"


def span(share: Share) -> str:
    """Such as "62 % (31 to 86 %)"."""
    low, high = share.interval
    return f"{100 * share.value:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"


_LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}


def _points(
    *,
    x: Sequence[float],
    y: Sequence[float],
    spans: Sequence[tuple[float, float]],
    axis: str,
    words: Sequence[str],
    sizes: Sequence[float] | None = None,
) -> go.Scatter:
    """Points with the intervals of their shares as bars along ``axis``."""
    middle = x if axis == "x" else y
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [100 * high - value for (_, high), value in zip(spans, middle, strict=True)],
        "arrayminus": [value - 100 * low for (low, _), value in zip(spans, middle, strict=True)],
        "thickness": 2,
        "width": 5,
    }
    points = go.Scatter(x=list(x), y=list(y), mode="markers", customdata=list(words))
    points.hovertemplate = "%{customdata}<extra></extra>"
    points.marker.size = list(sizes) if sizes else 10
    points.update({f"error_{axis}": bars})
    return points


def _line(x: float | None = None, y: float | None = None) -> dict[str, Any]:
    line = {"type": "line", "line": {"dash": "dash", "width": 2, "color": GREY}}
    if x is not None:
        return line | {"x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}
    return line | {"y0": y, "y1": y, "x0": 0, "x1": 1, "xref": "paper"}


def _layout(*, height: int = _HEIGHT, **axes: Any) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 0, "r": 0, "t": 10, "b": 0},
        "dragmode": False,
        "showlegend": False,
        **axes,
    }
