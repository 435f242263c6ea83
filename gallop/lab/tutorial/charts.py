"""A line chart and a table of numbers, and how a notebook shows figures: a cell gives numbers and names alone."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gallop.maps.map_style import COLOURS
from gallop.wording import as_drawn, shortened

MAP_COLOURS = COLOURS[1]
"""Of maps and tables."""
_LETTER = 0.075  # inches that a letter of a name takes, with its part of the gap to the next name
_LONGEST = 28  # letters of a name beside an axis: longer ones would leave a chart no room

Numbers = Sequence[float] | NDArray[Any]
"""Of a line."""


def line_chart(
    x: Numbers,
    curves: Mapping[str, Numbers],
    *,
    colours: Sequence[str] = (),
    styles: Mapping[str, Mapping[str, Any]] | None = None,
    marker: str = "",
    log: bool = False,
    labels: tuple[str, str] = ("", ""),
    title: str = "",
    size: tuple[float, float] = (7, 2.8),
    axis: Axes | None = None,
    limits: tuple[float, float] | None = None,
    dotted: Mapping[str, float | Sequence[float]] | None = None,
    level: Mapping[str, float] | None = None,
    legend: str = "best",
) -> Figure:
    """Draw a line for each name.

    Args:
        x: (S,), the same for all.
        curves: by name, (S,); or (S, n), lines of one name and colour.
        colours: one a name; none for matplotlib's colours.
        styles: by name, what its line has beside the colour, in matplotlib's words.
        marker: of every number, in matplotlib's words; "" for none.
        log: whether x is drawn logarithmically.
        labels: below and at the left.
        size: inches of a new figure, (width, height).
        axis: where to draw; None makes a figure.
        limits: lowest and highest y.
        dotted, level: by name, "" for those without: places on x that get a dotted line, on y that get a thin one.
        legend: where the names are listed: a location of matplotlib's, or "beside" the chart, where they hide nothing;
            "" for no legend.
    """
    axis = axis or _new_axis(size)
    for number, (name, y) in enumerate(curves.items()):
        colour = {"color": colours[number]} if colours else {}
        first, *_ = axis.plot(x, y, **{"marker": marker, "markersize": 4, **colour, **(styles or {}).get(name, {})})
        first.set_label(as_drawn(name))
    for name, places in (dotted or {}).items():
        for place in np.atleast_1d(places):
            axis.axvline(place, color="black" if name else "grey", linestyle=":", linewidth=1, label=as_drawn(name))
    for name, height in (level or {}).items():
        axis.axhline(height, color="grey", linewidth=0.8, label=as_drawn(name))
    axis.set(xscale="log" if log else "linear", ylim=limits)
    if legend:
        beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
        axis.legend(fontsize=8, **(beside if legend == "beside" else {"loc": legend}))
    return _titled(axis, labels, title)


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
    """Draw a table (rows, columns) in colours, brighter where more, and its numbers if they are asked for.

    Args:
        form: how a number is written, such as "{:.0%}"; "" writes none. A zero among integers is left blank.
        limits: numbers of the first and the last colour; None for the lowest and the highest.
        size: inches of a new figure, (width, height); None for as many as the names need.
        axis: where to draw; None makes a figure.
        labels: of the columns (below) and of the rows (at the left).
        bar: what the colours mean, beside a bar of them; "" for no bar.
    """
    table = np.asarray(values)
    axis = axis or _new_axis(size or _table_size(rows, columns))
    low, high = limits or (table.min(), table.max())
    drawn = axis.imshow(table, cmap=colours, vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(table) if form else ():
        words = "" if table.dtype.kind in "iu" and value == 0 else form.format(value)
        colour = "black" if value > (low + high) / 2 else "white"
        axis.text(column, row, words, ha="center", va="center", fontsize=8, color=colour)
    names_along(axis, columns, rows)
    axis.set_yticks(range(len(rows)), [as_written(name) for name in rows], fontsize=8)
    if bar:
        figure_of(axis).colorbar(drawn, ax=axis, label=bar)
    return _titled(axis, labels, title)


def _table_size(rows: Sequence[str], columns: Sequence[str]) -> tuple[float, float]:
    """Inches of a table with its names, those of the columns aslant; of many cells each gets less."""
    width, height = (0.45 * min(len(names), 8) + 0.22 * max(len(names) - 8, 0) for names in (columns, rows))
    return max(2, 1.2 + _room_of(rows)) + width, max(1.2, 0.6 + 0.8 * _room_of(columns)) + 0.9 * height


def _new_axis(size: tuple[float, float]) -> Axes:
    return Figure(figsize=size, layout="constrained").subplots()


def _titled(axis: Axes, labels: tuple[str, str], title: str) -> Figure:
    axis.set(xlabel=as_drawn(labels[0]), ylabel=as_drawn(labels[1]))
    axis.set_title(as_drawn(title), fontsize=9)
    return figure_of(axis)


def figure_of(axis: Axes) -> Figure:
    """Return the figure that an axis is part of."""
    return cast(Figure, axis.figure)  # a figure within a figure is never made here


def names_along(axis: Axes, names: Sequence[str], beside: Sequence[str] = ()) -> None:
    """Write names below an axis, at 0, 1 and so on; aslant where they have no room beside each other.

    Args:
        beside: names at the left of the same axis, which take of the width what they need.
    """
    width = figure_of(axis).get_figwidth()
    width = min(axis.get_position().width * width, width - _room_of(beside))
    aslant: dict[str, Any] = {"rotation": 60, "ha": "right"} if _room_of(names) * len(names) > width else {}
    axis.set_xticks(range(len(names)), [as_written(name) for name in names], fontsize=8, **aslant)


def _room_of(names: Sequence[str]) -> float:
    """The inches that the longest of some names takes beside an axis."""
    return _LETTER * max((min(len(line), _LONGEST) for name in names for line in name.splitlines()), default=0)


def as_written(name: str) -> str:
    """Return a name as it is written beside a chart: without the middle of a line that is too long."""
    return as_drawn("\n".join(shortened(line, _LONGEST) for line in name.splitlines()))


def show_figure(text: str, figure: Figure | None = None) -> None:
    """Show a figure of matplotlib in a notebook, and close it.

    Args:
        text: what is to be seen, for those who do not see it. nbconvert's template ``classic`` makes it the picture's
            alternative text, its template ``lab`` does not; where pictures cannot be shown at all, it is printed.
        figure: None for the one that is being drawn.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    shown, png = plt.gcf() if figure is None else figure, io.BytesIO()
    shown.savefig(png, format="png", bbox_inches="tight", dpi=shown.dpi)
    plt.close(shown)
    words = " ".join(text.split())
    display(  # type: ignore[no-untyped-call]
        {"image/png": png.getvalue(), "text/plain": words}, metadata={"image/png": {"alt": words}}, raw=True
    )
