"""Charts of a test: shares with their intervals, calibration, and what is none of these. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app import text
from app.charts.layout import GREY, WHOLE, line_at, named_rows, new_chart, percent_axis, rows_height, titled_axis
from gallop.evaluation.intervals import Share
from gallop.model.scores import VERDICT

if TYPE_CHECKING:
    from gallop.evaluation.k_sweep import KSweep
    from gallop.evaluation.measure import Bin, Separation

HISTOGRAM_BINS = 24
_BESIDE = {"y": 1, "yref": "paper", "xanchor": "left", "yanchor": "top", "showarrow": False}
"""Where the word at an upright line stands."""


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
    return new_chart(
        points,
        height=rows_height(len(names)),
        xaxis=percent_axis("right", range=WHOLE, dtick=25),
        yaxis=named_rows(names),
        shapes=[line_at(x=100 * overall.value)],
    )


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
    xaxis = percent_axis("how sure it is", range=WHOLE)
    return new_chart([points, line], xaxis=xaxis, yaxis=percent_axis("right", range=WHOLE))


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
    return new_chart(
        bars,
        xaxis=titled_axis(f"outlier score ({VERDICT})"),
        yaxis=percent_axis("photos"),
        barmode="overlay",
        bargap=0,
        showlegend=True,
        shapes=[] if limit is None else [line_at(x=limit)],
        annotations=[] if limit is None else [_BESIDE | {"x": limit, "text": "limit"}],
    )


def roc(found: Mapping[str, Separation]) -> go.Figure:
    """For each score the share of known photos kept against the share of unknown ones that pass for known."""
    lines = [
        go.Scatter(
            x=(100 * unknown_kept).tolist(),
            y=(100 * known_kept).tolist(),
            name=name,
            mode="lines",
            hovertemplate="%{y:.0f} % of the known kept, %{x:.0f} % of the unknown pass<extra>" + name + "</extra>",
        )
        for name, (known_kept, unknown_kept) in ((name, each.curve) for name, each in found.items())
    ]
    xaxis = percent_axis("unknown photos that pass for known", range=WHOLE)
    yaxis = percent_axis("known photos kept", range=WHOLE)
    return new_chart(lines, xaxis=xaxis, yaxis=yaxis, showlegend=True, shapes=[line_at(y=95)])


def k_sweep(found: KSweep, topk: Sequence[int]) -> go.Figure:
    """A line for each local prompt: the share that is right at each k of it; a ring where it stands."""
    ks = list(range(1, len(found.together) + 1))
    lines: list[Any] = []
    for n, (right, k) in enumerate(zip(found.each, topk, strict=True), 1):
        shares, at = (100 * right / found.photos).tolist(), min(k, len(ks))
        line = go.Scatter(x=ks, y=shares, name=f"local {n}", mode="lines", line={"shape": "hv"}, legendgroup=str(n))
        line.hovertemplate = "k = %{x}: %{y:.1f} %"
        ring = go.Scatter(x=[at], y=[shares[at - 1]], mode="markers", showlegend=False, hoverinfo="skip")
        ring.marker.symbol = "circle-open"
        ring.marker.color = GREY
        lines += [line, ring]
    together = (100 * found.together / found.photos).tolist()
    every = go.Scatter(x=ks, y=together, name="all", mode="lines", line={"color": GREY, "dash": "dash", "shape": "hv"})
    every.hovertemplate = "all k = %{x}: %{y:.1f} %"
    return new_chart(
        [*lines, every],
        xaxis=titled_axis("k", type="log", tickvals=[1, 2, 5, 10, 20, 50, 100, 200, 500]),
        yaxis=percent_axis("right"),
        showlegend=True,
    )


def k_sweep_in_words(found: KSweep, topk: Sequence[int]) -> str:
    """For each local prompt where it stands and its best k, and the best k of all together."""
    parts = [
        f"local {n} at k = {k} {right[min(k, right.size) - 1]}, at best {right.max()} (k = {right.argmax() + 1})"
        for n, (right, k) in enumerate(zip(found.each, topk, strict=True), 1)
    ]
    best = f"all alike at best {found.together.max()} (k = {found.together.argmax() + 1})"
    return f"{'; '.join([*parts, best])}; of {found.photos} photos."


def share_in_words(share: Share) -> str:
    """Such as "5 of 8 right, 62 % (31 to 86 %)"."""
    return f"{share.right} of {share.of} right, {span(share)}"


def span(share: Share) -> str:
    """Such as "62 % (31 to 86 %)"."""
    low, high = share.interval
    return f"{100 * share.value:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"


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
    points.marker.size = sizes
    points.update({f"error_{axis}": bars})
    return points
