"""Tables of numbers as pictures: brighter where more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gallop.tutorial.panels import MAP_COLOURS
from gallop.tutorial.surroundings import axes_beside, figure_of, names_along, names_down, room_of
from gallop.wording import as_drawn


def number_table(
    values: NDArray[Any] | Any,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    form: str = "",
    limits: tuple[float, float] | None = None,
    size: tuple[float, float] | None = None,
    axis: Axes | None = None,
    labels: tuple[str, str] = ("", ""),
    title: str = "",
    bar: str = "",
    colours: str = MAP_COLOURS,
) -> Figure:
    """Draw a table (rows, columns) in colours, and its numbers if they are asked for.

    Args:
        form: how a number is written, such as "{:.0%}"; "" writes none. A zero of whole numbers is left blank.
        limits: numbers of the first and the last colour; None for the lowest and the highest.
        size: inches of a figure of its own, (width, height); None for as many as the names need.
        axis: where to draw; None makes a figure.
        labels: of the columns (below) and of the rows (at the left).
        bar: what the colours mean, beside a bar of them; "" for no bar.
    """
    found = np.asarray(values)
    if axis is None:
        size = size or _size(rows, columns)
        axis = Figure(figsize=size, layout="constrained").subplots()
    low, high = limits or (found.min(), found.max())
    drawn = axis.imshow(found, cmap=colours, vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(found) if form else ():
        words = "" if found.dtype.kind in "iu" and value == 0 else form.format(value)
        colour = "black" if value > (low + high) / 2 else "white"
        axis.text(column, row, words, ha="center", va="center", fontsize=8, color=colour)
    names_along(axis, columns, rows)
    names_down(axis, rows)
    axis.set(xlabel=labels[0], ylabel=labels[1])
    axis.set_title(as_drawn(title), fontsize=9)
    if bar:
        figure_of(axis).colorbar(drawn, ax=axis, label=bar)
    return figure_of(axis)


def number_tables(
    tables: Mapping[str, NDArray[Any] | Any],
    *,
    limits: tuple[float, float] = (0, 1),
    labels: tuple[str, str] = ("", ""),
    bar: str = "",
    size: tuple[float, float],
) -> Figure:
    """Draw tables without their numbers beside each other, in the same colours; rows and columns count from 1.

    Args:
        tables: by title.
        limits, labels, bar, size: as of ``number_table``.
    """
    axes = axes_beside(len(tables), size)
    for axis, (title, values) in zip(axes, tables.items(), strict=True):
        rows, columns = ([f"{i + 1}" for i in range(count)] for count in np.shape(values))
        number_table(values, rows, columns, limits=limits, labels=labels, title=title, axis=axis)
    if bar:
        figure_of(axes[0]).colorbar(axes[-1].images[0], ax=axes, label=bar)
    return figure_of(axes[0])


def _size(rows: Sequence[str], columns: Sequence[str]) -> tuple[float, float]:
    """Inches of a table with its names, those of the columns aslant."""
    beside, below = max(2, 1.2 + room_of(rows)), max(1.2, 0.6 + 0.8 * room_of(columns))
    return beside + _side(columns), below + 0.9 * _side(rows)


def _side(names: Sequence[str]) -> float:
    """Inches that the cells of so many names take; of many names each gets less."""
    return 0.45 * min(len(names), 8) + 0.22 * max(len(names) - 8, 0)


def confusion_table(counts: NDArray[np.integer], names: Sequence[str]) -> Figure:
    """Draw how often (K, K) photos of a class (rows) were given a name (columns)."""
    return number_table(counts, names, names, form="{}", labels=("said", "label"))
