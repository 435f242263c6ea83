"""Line charts and scatter plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from typing_extensions import Unpack

from gallop.tutorial.surroundings import (
    Numbers,
    Places,
    Surroundings,
    as_written,
    axes_beside,
    axis_of,
    figure_of,
    framed,
)
from gallop.wording import as_drawn

_BLUE, _RED, _GREY = "#4477aa", "#cc6677", "#777777"
_TOO_GREY = 7  # of matplotlib's ten colours, beside the grey dots that stand behind


def line_chart(
    x: Numbers,
    curves: Mapping[str, Numbers],
    *,
    colours: Sequence[str] = (),
    styles: Mapping[str, Mapping[str, Any]] | None = None,
    marker: str = "",
    log: bool = False,
    **frame: Unpack[Surroundings],
) -> Figure:
    """Draw a line for each name.

    Args:
        x: (S,), the same for all.
        curves: by name, (S,); or (S, n), lines of one name and colour.
        colours: one a name; none for matplotlib's own.
        styles: by name, what its line has beside the colour, in matplotlib's words.
        marker: of every number, in matplotlib's words; "" for none.
        log: whether x is drawn logarithmically.
    """
    axis = axis_of(frame)
    for number, (name, y) in enumerate(curves.items()):
        own = {"color": colours[number]} if colours else {}
        first, *_ = axis.plot(x, y, **{"marker": marker, "markersize": 4, **own, **(styles or {}).get(name, {})})
        first.set_label(as_drawn(name))
    if log:
        axis.set_xscale("log")
    return framed(axis, frame)


def line_charts(
    x: Numbers,
    charts: Mapping[str, Mapping[str, Numbers]],
    *,
    label: str,
    log: bool = False,
    dotted: Places | None = None,
    size: tuple[float, float] = (11, 3.2),
) -> Figure:
    """Draw several charts of lines beside each other; their names are beside the last one.

    Args:
        charts: by what their numbers are, the lines of each, as ``line_chart`` takes them.
        label: below each.
    """
    axes = axes_beside(len(charts), size)
    for axis, (what, curves) in zip(axes, charts.items(), strict=True):
        legend = "beside" if axis is axes[-1] else ""
        line_chart(x, curves, log=log, axis=axis, dotted=dotted or {}, labels=(label, what), legend=legend)
    return figure_of(axes[0])


def slope_charts(
    charts: Mapping[str, Mapping[str, NDArray[Any]]],
    *,
    ends: tuple[str, str],
    colours: Sequence[str],
    size: tuple[float, float] = (9, 2.8),
) -> Figure:
    """Draw, beside each other, how numbers change from one end to the other.

    Args:
        charts: by what their numbers are: by name, (n, 2), a line from the first column to the second for each row.
        ends: what the two columns are.
        colours: one a name.
    """
    axes = axes_beside(len(charts), size)
    for axis, (what, groups) in zip(axes, charts.items(), strict=True):
        places, names = [], []
        for number, (name, pairs) in enumerate(groups.items()):
            places += [2 * number, 2 * number + 0.8]
            names += [f"{end}\n{as_drawn(name)}" for end in ends]
            axis.plot(places[-2:], np.transpose(pairs), "o-", color=colours[number])
        axis.set_xticks(places, names)
        axis.set_ylabel(as_drawn(what))
    return figure_of(axes[0])


def cloud_charts(
    charts: Mapping[str, Mapping[str, NDArray[Any] | Any]],
    *,
    behind: NDArray[Any] | Any,
    label: str,
    size: tuple[float, float] = (13, 3),
) -> Figure:
    """Draw, beside each other, dots in two dimensions, all on the same scales.

    Args:
        charts: by title: the dots (n, 2) of each name. The first ten names have colours, the others share black.
        behind: dots (n, 2) that are drawn in light grey behind those of each chart.
        label: of the two dimensions, which are numbered.
    """
    axes = axes_beside(len(charts), size, sharex=True, sharey=True)
    colours = ["navy" if number == _TOO_GREY else matplotlib.colormaps["tab10"](number) for number in range(10)]
    for axis, (title, clouds) in zip(axes, charts.items(), strict=True):
        axis.plot(*np.asarray(behind).T, ".", color="lightgrey")
        for number, (name, dots) in enumerate(clouds.items()):
            others = "others" if number == len(colours) else None  # one word for all of them
            own: dict[str, Any] = {"color": "black", "alpha": 0.3, "label": others}
            if number < len(colours):  # over the others, and before them in the list of names
                own = {"color": colours[number], "label": as_written(name), "zorder": 2.1}
            axis.plot(*np.asarray(dots).T, "o", markersize=4, **own)
        axis.set_title(as_drawn(title), fontsize=9)
        axis.set_xlabel(f"{label} 1", fontsize=8)
    axes[0].set_ylabel(f"{label} 2", fontsize=8)
    axes[-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure_of(axes[0])


def tries_chart(
    found: Mapping[int, Numbers],
    *,
    each: str,
    halves: Sequence[float] = (),
    log: bool = False,
    **frame: Unpack[Surroundings],
) -> Figure:
    """Draw the means of several tries over a number that was tried, with every single one.

    Args:
        found: by number, what each try gave.
        each: what one try is called.
        halves: half the width of the interval around each mean; none draws no band.
        log: whether the number is drawn logarithmically.
    """
    axis, x = axis_of(frame), list(found)
    means = np.array([np.mean(values) for values in found.values()])
    if len(halves):
        low, high = means - halves, means + halves
        axis.fill_between(x, low, high, color=_BLUE, alpha=0.2, label="95% interval")
    axis.plot(x, means, color=_BLUE, marker="o", label="mean")
    for number, values in found.items():
        label = as_drawn(each) if number == x[0] else None
        axis.plot([number] * len(values), values, "_", color="black", label=label)
    if log:
        axis.set_xscale("log")
    axis.set_xticks(x, [f"{number}" for number in x])
    axis.minorticks_off()
    return framed(axis, frame)


def dot_rows(groups: Mapping[str, Numbers], **frame: Unpack[Surroundings]) -> Figure:
    """Draw a row of dots for each name, the first on top; a dot's place across the row has no meaning."""
    axis, rng, names = axis_of(frame), np.random.default_rng(0), list(groups)[::-1]
    for height, (name, colour) in enumerate(zip(names, (_GREY, _RED, _BLUE), strict=True)):
        values = groups[name]
        place = height + rng.uniform(-0.3, 0.3, len(values))
        axis.plot(values, place, "o", color=colour, alpha=0.7, markersize=4)
    axis.set_yticks(range(len(groups)), [as_drawn(name) for name in names])
    return framed(axis, frame)
