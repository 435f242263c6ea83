"""Bar charts and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from typing_extensions import Unpack

from gallop.tutorial.surroundings import (
    Numbers,
    Surroundings,
    axes_beside,
    axis_of,
    figure_of,
    framed,
    names_along,
    names_down,
)
from gallop.wording import as_drawn

_BLUE, _RED = "#4477aa", "#ee6677"


def bar_chart(
    values: Mapping[str, float], *, colours: Sequence[str] | str = _BLUE, **frame: Unpack[Surroundings]
) -> Figure:
    """Draw a bar upwards for each name."""
    axis = axis_of(frame)
    axis.bar(range(len(values)), list(values.values()), color=colours)
    names_along(axis, list(values))
    return framed(axis, frame)


def number_bars(values: Mapping[str, float], form: str, **frame: Unpack[Surroundings]) -> Figure:
    """Draw a bar to the right for each name, from the top, and its number at the end of it.

    Args:
        form: how a number is written, such as "{:.0%}".
    """
    axis = axis_of(frame)
    axis.barh([as_drawn(name) for name in values], list(values.values()), color=_BLUE)
    for place, value in enumerate(values.values()):
        axis.text(value, place, f" {form.format(value)}", va="center", fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.2 * max(values.values()))
    return framed(axis, frame)


def interval_bars(shares: Mapping[str, float], bounds: NDArray[np.floating], **frame: Unpack[Surroundings]) -> Figure:
    """Draw a bar to the right for each name, from the top, each a share with its interval.

    Args:
        bounds: (names, 2), the lower and the upper end.
    """
    axis, each = axis_of(frame), np.array(list(shares.values()))
    ends = np.clip([each - bounds[:, 0], bounds[:, 1] - each], 0, 1)
    axis.barh(range(len(each)), each, xerr=ends, color=_BLUE, capsize=3)
    names_down(axis, list(shares))
    axis.set(xlim=(0, 1.02), ylim=(len(each) - 0.5, -0.5))
    return framed(axis, frame)


def number_bar_charts(
    charts: Mapping[str, tuple[Mapping[str, float], str]], size: tuple[float, float] = (11, 2.4)
) -> Figure:
    """Draw bars to the right beside each other.

    Args:
        charts: by what their numbers are, those of each and how one is written, as ``number_bars`` takes them.
    """
    axes = axes_beside(len(charts), size)
    for axis, (what, (values, form)) in zip(axes, charts.items(), strict=True):
        number_bars(values, form, axis=axis, labels=(what, ""))
    return figure_of(axes[0])


def bar_groups(
    groups: Mapping[str, Numbers],
    places: Sequence[str],
    *,
    colours: Sequence[str],
    marks: Mapping[str, NDArray[Any]] | None = None,
    **frame: Unpack[Surroundings],
) -> Figure:
    """Draw a bar of each group at each place, beside one another.

    Args:
        groups: by name, one number a place.
        places: their names.
        colours: one a group.
        marks: by group, (n, places): black marks over its bars, such as those of single seeds.
    """
    axis, width = axis_of(frame), 0.8 / len(groups)
    for number, (name, values) in enumerate(groups.items()):
        at = np.arange(len(places)) + width * (number - (len(groups) - 1) / 2)
        axis.bar(at, values, width, color=colours[number], label=as_drawn(name))
        for row in (marks or {}).get(name, ()):
            axis.plot(at, row, "_", color="black")
    names_along(axis, places)
    return framed(axis, frame)


def heap_chart(
    values: Mapping[str, Numbers], *, bins: int, colours: Sequence[str] = (_BLUE, _RED), **frame: Unpack[Surroundings]
) -> Figure:
    """Draw a histogram for each name, on common bins."""
    axis = axis_of(frame)
    every = np.concatenate([np.asarray(some) for some in values.values()])
    edges = np.linspace(every.min(), every.max(), bins)
    for (name, some), colour in zip(values.items(), colours, strict=True):
        axis.hist(some, edges.tolist(), alpha=0.7, color=colour, label=as_drawn(name))
    axis.locator_params(axis="x", nbins=6)
    return framed(axis, frame)


def heap_charts(
    charts: Mapping[str, Mapping[str, Numbers]],
    *,
    bins: int,
    limit: str,
    limits: Mapping[str, float],
    label: str,
    size: tuple[float, float] = (12, 3.1),
) -> Figure:
    """Draw several charts of histograms beside each other, each with a limit; the names are beside the last one.

    Args:
        charts: by title, the histograms of each, as ``heap_chart`` takes them.
        limit: what the limit is called.
        limits: by title, its place.
        label: below each.
    """
    axes = axes_beside(len(charts), size)
    for axis, (title, heaps) in zip(axes, charts.items(), strict=True):
        legend, left = "beside" if axis is axes[-1] else "", "photos" if axis is axes[0] else ""
        place = {limit: limits[title]}
        heap_chart(heaps, bins=bins, dotted=place, labels=(label, left), title=title, legend=legend, axis=axis)
        axis.locator_params(axis="x", nbins=3)  # the narrower, the fewer numbers have room
    return figure_of(axes[0])
