"""The frame of a chart of a notebook: labels, limits, marks and the legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gallop.wording import as_drawn, shortened

_LETTER = 0.075  # inches that a letter of a name takes, with its share of the gap to the next name
_LONGEST = 28  # letters of a name beside an axis: longer ones would leave a chart no room

Numbers = Sequence[float] | NDArray[Any]
"""Of a line, a histogram or a group."""
Places = Mapping[str, float | Sequence[float]]
"""By name; "" for those without."""


class Surroundings(TypedDict, total=False):
    """What every chart may have around what it draws.

    Attributes:
        labels: below and at the left.
        title: above.
        size: inches of a figure of its own, (width, height).
        axis: where to draw; without it a figure is made.
        limits: lowest and highest y.
        dotted: places on x that get a dotted line from top to bottom; those of a second name a dashed one.
        level: places on y that get a thin line from left to right.
        legend: where the names of what is drawn stand: a word of matplotlib's, or "beside" the chart, where none hides
            anything; "" for none.
    """

    labels: tuple[str, str]
    title: str
    size: tuple[float, float]
    axis: Axes
    limits: tuple[float, float]
    dotted: Places
    level: Places
    legend: str


def axis_of(frame: Surroundings) -> Axes:
    """Return the place that was asked for, or that of a new figure."""
    if "axis" in frame:
        return frame["axis"]
    return Figure(figsize=frame.get("size", (7, 2.8)), layout="constrained").subplots()


def axes_beside(count: int, size: tuple[float, float], **options: Any) -> list[Axes]:
    """Return the axes of so many charts beside each other in one figure; options are those of ``Figure.subplots``."""
    axes = Figure(figsize=size, layout="constrained").subplots(1, count, squeeze=False, **options)
    return list(axes[0])


def framed(axis: Axes, frame: Surroundings) -> Figure:
    """Add labels, limits, marks and legend to a chart, and return its figure."""
    for number, (name, places) in enumerate(frame.get("dotted", {}).items()):
        colour, style = "black" if name else "grey", (":", "--")[number % 2]
        for place in np.atleast_1d(places):
            axis.axvline(place, color=colour, linestyle=style, linewidth=1, label=as_drawn(name))
    for name, places in frame.get("level", {}).items():
        for place in np.atleast_1d(places):
            axis.axhline(place, color="grey", linewidth=0.8, label=as_drawn(name))
    below, left = frame.get("labels", ("", ""))
    axis.set(xlabel=as_drawn(below), ylabel=as_drawn(left))
    axis.set_title(as_drawn(frame.get("title", "")), fontsize=9)
    if "limits" in frame:
        axis.set_ylim(*frame["limits"])
    where = frame.get("legend", "best")
    if where and any(axis.get_legend_handles_labels()[1]):
        outside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        axis.legend(fontsize=8, **(outside if where == "beside" else {"loc": where}))
    return figure_of(axis)


def figure_of(axis: Axes) -> Figure:
    """Return the figure that an axis is part of."""
    return cast(Figure, axis.figure)  # a figure within a figure is never made here


def names_along(axis: Axes, names: Sequence[str], beside: Sequence[str] = ()) -> None:
    """Write names below an axis, at 0, 1 and so on; aslant where they have no room beside each other.

    Args:
        beside: names at the left of the same axis, which take of the width what they need.
    """
    whole = figure_of(axis).get_figwidth()
    width = min(axis.get_position().width * whole, whole - room_of(beside))
    aslant: dict[str, Any] = {"rotation": 60, "ha": "right"} if room_of(names) * len(names) > width else {}
    axis.set_xticks(range(len(names)), [as_written(name) for name in names], fontsize=8, **aslant)


def names_down(axis: Axes, names: Sequence[str]) -> None:
    """Write names at the left of an axis, at 0, 1 and so on."""
    axis.set_yticks(range(len(names)), [as_written(name) for name in names], fontsize=8)


def room_of(names: Sequence[str]) -> float:
    """Return the inches that the longest of some names takes beside an axis."""
    return _LETTER * max((min(len(line), _LONGEST) for name in names for line in name.splitlines()), default=0)


def as_written(name: str) -> str:
    """Return a name as it is written beside a chart: without the middle of a line that is too long."""
    return as_drawn("\n".join(shortened(line, _LONGEST) for line in name.splitlines()))
