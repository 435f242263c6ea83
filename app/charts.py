"""Figures in, plotly charts out. Colours come from the page's theme, so they follow light and dark. Knows no Streamlit.

Charts are not interactive: nothing is dragged or zoomed, and the mouse wheel scrolls the page. Margins are as wide as
the text in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from numpy.typing import NDArray

from app import text
from app.library import Bin, Curve, Deletion
from app.teaching.training import KeptPrompts, Point, thinned
from gallop.evaluation.intervals import Proportion
from gallop.model.scores import VERDICT

CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
# Visible on white and on black.
GREY, PALE_GREY = "#8a9698", "rgba(138, 150, 152, 0.3)"
# Height of a chart that has no rows.
HEIGHT = 310

# From 0 to 100 %, and room for half a point at the end.
FULL_RANGE = [0, 104]

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
    """Return a figure with this module's template on top of the default template of the page that shows it."""
    return go.Figure(traces, {"template": _on_top_of(pio.templates.default), "height": height} | layout)


@cache
def _on_top_of(template: str) -> Any:
    """Merge the templates, once each: that takes 20 ms, as long as the rest of a chart."""
    return pio.templates.merge_templates(template, "gallop")


def line_at(x: float) -> dict[str, Any]:
    """Return a vertical dashed line across the chart."""
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper"}


def named_rows(names: Sequence[str]) -> dict[str, Any]:
    """Return a y-axis with a row for each name, the first on top.

    Rows are at numeric positions and names are only their labels, so two equal (shortened) names are two rows.
    """
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [text.plotly(name) for name in names],
        "range": [len(names) - 0.5, -0.5],
        "zeroline": False,
    }


def percent_axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis in percent; with the range ``FULL_RANGE`` it goes from 0 to 100."""
    return {"title": title, "ticksuffix": " %"} | more


# Classes in a matrix of confusions.
MOST_CONFUSED = 50
# Wrong, none, right: distinguishable with any colour vision, and light enough for dark figures in both themes.
_CONFUSIONS = (
    (0, "#ee9a55"),
    (0.4999, "#fbe3cf"),
    (0.5, "rgba(138, 150, 152, 0.12)"),
    (0.5001, "#d3ece8"),
    (1, "#57b0a5"),
)


def confusions(
    counts: NDArray[Any], names: Sequence[str], labels: Mapping[tuple[int, int], str], chosen: object
) -> go.Figure:
    """Draw how often each class (a row) got each answer (a column), the stronger the more of its row.

    Of more than ``MOST_CONFUSED`` classes those that are confused most are drawn, the most confused first.

    Args:
        counts: (K, K).
        labels: of the cells with photos; what is selected has the cell in ``customdata``.
        chosen: the cell that is outlined, if it is one.
    """
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    often = wrong.sum(axis=0) + wrong.sum(axis=1) if len(counts) > MOST_CONFUSED else np.zeros(len(counts))
    shown = np.argsort(-often, kind="stable")[:MOST_CONFUSED].tolist()
    cells = {(i, j): (shown.index(i), shown.index(j)) for i, j in labels if i in shown and j in shown}
    part = np.where(wrong > 0, -1, 1) * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side, letters = (44, 14) if len(shown) <= 12 else (18, 10)
    level = len(shown) <= 4
    squares = go.Heatmap(
        z=part[np.ix_(shown, shown)].tolist(), zmin=-1, zmax=1, colorscale=_CONFUSIONS, xgap=1, ygap=1, hoverinfo="skip"
    )
    photos = go.Scatter(  # Streamlit hears nothing of a click on a heatmap
        x=[column for _, column in cells.values()],
        y=[row for row, _ in cells.values()],
        mode="markers+text",
        text=[str(counts[cell]) for cell in cells],
        textfont={"size": letters, "color": "#10181a"},
        marker={"symbol": "square", "size": side, "opacity": 0},
        customdata=[f"{i} {j}" for i, j in cells],
        hovertext=[text.plotly(labels[cell], 80) for cell in cells],
        hoverinfo="text",
    )
    outlined = [
        {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5, "line": {"dash": "solid"}}
        for row, column in [cells[cell] for cell in cells if cell == chosen]
    ]
    rows = named_rows([text.shorten(names[k], 16) for k in shown]) | {"showgrid": False, "tickfont": {"size": letters}}
    return new_chart(
        [squares, photos],
        height=side * len(shown) + (70 if level else 130),
        xaxis=rows | {"title": "answer", "range": rows["range"][::-1], "side": "top", "tickangle": 0 if level else -90},
        yaxis=rows | {"title": "true class"},
        hovermode="closest",
        hoverdistance=side,
        shapes=outlined,
    )


def deletion_curve(deletion: Deletion) -> go.Figure:
    """Draw scores as regions are removed: in the map's order, and the mean and range of the random orders."""
    removed = (100 * deletion.removed).tolist()
    hover = "%{x:.0f} % gone: %{y:.4f}"
    edge = {"x": removed, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    lowest, mean, highest = (of(deletion.at_random, axis=0).tolist() for of in (np.min, np.mean, np.max))
    dashed = {"color": GREY, "dash": "dash"}
    lines = [  # the first one takes the theme's first colour
        go.Scatter(
            x=removed,
            y=deletion.by_map.tolist(),
            name="best regions first",
            hovertemplate=hover,
            mode="lines+markers",
            line={"width": 3},
            marker={"size": 6},
        ),
        go.Scatter(x=removed, y=mean, name="at random", mode="lines", hovertemplate=hover, line=dashed),
        go.Scatter(y=lowest, **edge),
        go.Scatter(y=highest, fill="tonexty", fillcolor=PALE_GREY, **edge),
    ]
    score = {"title": "score", "rangemode": "tozero"}
    return new_chart(lines, xaxis=percent_axis("regions removed"), yaxis=score, showlegend=True)


HISTOGRAM_BINS = 24
# Position of the word at a vertical line.
_BESIDE = {"y": 1, "yref": "paper", "xanchor": "left", "yanchor": "top", "showarrow": False}


def classes(accuracies: Mapping[str, Proportion], overall: Proportion) -> go.Figure:
    """Draw a point for each class with its interval; the dashed line is the accuracy on all photos."""
    names = list(accuracies)
    points = _points(
        x=[100 * accuracy.value for accuracy in accuracies.values()],
        y=list(range(len(names))),
        spans=[accuracy.interval for accuracy in accuracies.values()],
        axis="x",
        words=[f"{text.plotly(name, 80)}: {proportion_in_words(accuracy)}" for name, accuracy in accuracies.items()],
    )
    return new_chart(
        points,
        height=80 + 30 * len(names),  # the axis, and a row for each
        xaxis=percent_axis("right", range=FULL_RANGE, dtick=25),
        yaxis=named_rows(names),
        shapes=[line_at(100 * overall.value)],
    )


def reliability(bins: Sequence[Bin]) -> go.Figure:
    """Draw the accuracy of photos with similar confidence; on the dashed line confidence equals accuracy."""
    points = _points(
        x=[100 * each.confidence for each in bins],
        y=[100 * each.right.value for each in bins],
        spans=[each.right.interval for each in bins],
        axis="y",
        words=[f"{text.share(each.confidence)} sure: {proportion_in_words(each.right)}" for each in bins],
        sizes=[7 + 3 * each.right.of**0.5 for each in bins],
    )
    line = go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line={"dash": "dash", "color": GREY}, hoverinfo="skip")
    return new_chart(
        [points, line],
        xaxis=percent_axis("how sure it is", range=FULL_RANGE),
        yaxis=percent_axis("right", range=FULL_RANGE),
    )


def outliers(known: NDArray[np.float32], unknown: NDArray[np.float32], limit: float | None) -> go.Figure:
    """Draw histograms of the outlier scores of known and unknown photos, in percent of each; the line is the limit."""
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
        xaxis={"title": f"outlier score ({VERDICT})"},
        yaxis=percent_axis("photos"),
        barmode="overlay",
        bargap=0,
        showlegend=True,
        shapes=[] if limit is None else [line_at(limit)],
        annotations=[] if limit is None else [_BESIDE | {"x": limit, "text": "threshold"}],
    )


def proportion_in_words(proportion: Proportion) -> str:
    """Return a text such as "5 of 8 right, 62 % (31 to 86 %)"."""
    return f"{proportion.right} of {proportion.of} right, {span(proportion)}"


def span(proportion: Proportion) -> str:
    """Return a text such as "62 % (31 to 86 %)"."""
    low, high = proportion.interval
    return f"{100 * proportion.value:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"


def _points(
    *,
    x: Sequence[float],
    y: Sequence[float],
    spans: Sequence[tuple[float, float]],
    axis: str,
    words: Sequence[str],
    sizes: Sequence[float] | None = None,
) -> go.Scatter:
    middle = x if axis == "x" else y
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [100 * high - value for (_, high), value in zip(spans, middle, strict=True)],
        "arrayminus": [value - 100 * low for (low, _), value in zip(spans, middle, strict=True)],
        "thickness": 2,
        "width": 5,
    }
    return go.Scatter(
        x=list(x),
        y=list(y),
        mode="markers",
        customdata=list(words),
        hovertemplate="%{customdata}<extra></extra>",
        marker={"size": sizes} if sizes else None,
        **{f"error_{axis}": bars},
    )


_MOST_POINTS = 300
# They are shown during a training, below the button and beside the cards.
_HEIGHT, _LOW = 230, 150
_KEPT = "#0f8579"


def learning(history: Sequence[Point], steps: int) -> go.Figure:
    """Draw the loss above and the accuracy below, over a training's ``steps``; the axes do not change while it runs."""
    shown = thinned(history, _MOST_POINTS)
    numbers = [point.step for point in shown]
    loss = go.Scatter(
        x=numbers,
        y=[point.loss for point in shown],
        mode="lines",
        name="loss",
        hovertemplate="step %{x}: loss %{y:.3f}<extra></extra>",
    )
    right = go.Scatter(
        x=numbers,
        y=[100 * point.accuracy for point in shown],
        mode="lines",
        name="right",
        yaxis="y2",
        hovertemplate="step %{x}: %{y:.0f} %<extra></extra>",
    )
    highest = max((point.loss for point in shown), default=1.0)
    return new_chart(
        [loss, right],
        height=_HEIGHT,
        xaxis={"title": "step", "range": [0, max(steps, 2)], "anchor": "y2"},
        yaxis={"title": "loss", "range": [0, 1.05 * highest], "domain": [0.56, 1]},
        yaxis2=percent_axis("right", range=FULL_RANGE, domain=[0, 0.44]),
    )


def growth(curve: Curve) -> go.Figure:
    """Draw accuracy by the number of photos of each class, and the forecast for twice as many with its interval."""
    twice, points = curve.forecast(), curve.points
    shots, right = [point.shots for point in points], [100 * point.accuracy for point in points]
    words = [f"with {point.shots:.3g}: {text.share(point.accuracy)}" for point in points]
    held = _points(x=shots, y=right, spans=[point.interval for point in points], axis="y", words=words)
    ahead = _points(
        x=[twice.shots],
        y=[100 * twice.accuracy],
        spans=[twice.accuracy_interval],
        axis="y",
        words=[f"with {twice.shots:.3g}, probably: {text.share(twice.accuracy)}"],
    )
    ahead.update(marker={"symbol": "circle-open"}, name="forecast")
    ticks = [*shots, twice.shots]
    labels = [f"{tick:.3g}" for tick in ticks]
    axis = {"title": "photos of each class", "type": "log", "tickvals": ticks, "ticktext": labels}
    return new_chart([held, ahead], height=_HEIGHT, xaxis=axis, yaxis=percent_axis("right"))


def kept_prompts(kept: KeptPrompts | None, total: int) -> go.Figure:
    """Draw a row for each global prompt, a column for each photo of the step's batch; filled where it was kept."""
    columns = kept.prompts if kept else ()
    names = [text.plotly(name, 40) for name in (kept.photos if kept else ())]
    grid = go.Heatmap(
        z=[[int(m in chosen) for chosen in columns] for m in range(total)] or None,
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
        xaxis={"title": "photos of this step", "showticklabels": False, "showgrid": False},
        yaxis={
            "title": "global prompt",
            "tickvals": list(range(1, total + 1)),
            "autorange": "reversed",
            "showgrid": False,
        },
    )


def curve_in_words(history: Sequence[Point]) -> str:
    if not history:
        return "No step has been made yet."
    first, last = history[0], history[-1]
    return (
        f"Loss {first.loss:.3f} at step {first.step}, {last.loss:.3f} at step {last.step}; "
        f"right {text.share(first.accuracy)}, then {text.share(last.accuracy)}."
    )


def kept_in_words(kept: KeptPrompts | None) -> str:
    if kept is None:
        return "No step has been made yet."
    each = ", ".join(f"prompt {m + 1} for {sum(m in chosen for chosen in kept.prompts)}" for m in range(kept.total))
    return f"In step {kept.step}, with {len(kept.photos)} photos, each prompt was kept for this many of them: {each}."
