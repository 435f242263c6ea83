"""Charts and tables of numbers, and how a notebook shows them: a cell gives numbers and names alone."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from typing_extensions import Unpack

from gallop.maps.look import COLOURS
from gallop.wording import as_drawn, shortened

MAP_COLOURS = COLOURS[1]
"""Of maps and tables."""
_BLUE = "#4477aa"
_LETTER = 0.075  # inches that a letter of a name takes, with its part of the gap to the next name
_LONGEST = 28  # letters of a name beside an axis: longer ones would leave a chart no room

Numbers = Sequence[float] | NDArray[Any]
"""Of a line or a group."""
Places = Mapping[str, float | Sequence[float]]
"""By name; "" for those without."""


class Frame(TypedDict, total=False):
    """What every chart may have around what it draws.

    Attributes:
        labels: below and at the left.
        title: above.
        size: inches of a new figure, (width, height).
        axis: where to draw; without it a figure is made.
        limits: lowest and highest y.
        dotted: places on x that get a dotted line from top to bottom.
        level: places on y that get a thin line from left to right.
        legend: where the names of what is drawn are listed: a location of matplotlib's, or "beside" the chart, where
            they hide nothing; "" for no legend.
    """

    labels: tuple[str, str]
    title: str
    size: tuple[float, float]
    axis: Axes
    limits: tuple[float, float]
    dotted: Places
    level: Places
    legend: str


def line_chart(
    x: Numbers,
    curves: Mapping[str, Numbers],
    *,
    colours: Sequence[str] = (),
    styles: Mapping[str, Mapping[str, Any]] | None = None,
    marker: str = "",
    log: bool = False,
    **frame: Unpack[Frame],
) -> Figure:
    """Draw a line for each name.

    Args:
        x: (S,), the same for all.
        curves: by name, (S,); or (S, n), lines of one name and colour.
        colours: one a name; none for matplotlib's colours.
        styles: by name, what its line has beside the colour, in matplotlib's words.
        marker: of every number, in matplotlib's words; "" for none.
        log: whether x is drawn logarithmically.
    """
    axis = _axis_of(frame)
    for number, (name, y) in enumerate(curves.items()):
        colour = {"color": colours[number]} if colours else {}
        first, *_ = axis.plot(x, y, **{"marker": marker, "markersize": 4, **colour, **(styles or {}).get(name, {})})
        first.set_label(as_drawn(name))
    if log:
        axis.set_xscale("log")
    return _framed(axis, frame)


def tries_chart(
    tries: Mapping[int, Numbers],
    *,
    each: str,
    halves: Sequence[float] = (),
    log: bool = False,
    **frame: Unpack[Frame],
) -> Figure:
    """Draw the means of several tries over a number that was tried, with every single one.

    Args:
        tries: by number, the value of each try.
        each: what one try is called.
        halves: half the width of the interval around each mean; none draws no band.
        log: whether the number is drawn logarithmically.
    """
    axis, x = _axis_of(frame), list(tries)
    means = np.array([np.mean(values) for values in tries.values()])
    if len(halves):
        axis.fill_between(x, means - halves, means + halves, color=_BLUE, alpha=0.2, label="95% interval")
    axis.plot(x, means, color=_BLUE, marker="o", label="mean")
    for number, values in tries.items():
        # One name in the legend for all of them.
        axis.plot([number] * len(values), values, "_", color="black", label=as_drawn(each) if number == x[0] else None)
    if log:
        axis.set_xscale("log")
    axis.set_xticks(x, [f"{number}" for number in x])
    axis.minorticks_off()
    return _framed(axis, frame)


def bar_chart(values: Mapping[str, float], *, colours: Sequence[str] | str = _BLUE, **frame: Unpack[Frame]) -> Figure:
    """Draw a bar upwards for each name."""
    axis = _axis_of(frame)
    axis.bar(range(len(values)), list(values.values()), color=colours)
    _names_along(axis, list(values))
    return _framed(axis, frame)


def number_bars(values: Mapping[str, float], form: str, **frame: Unpack[Frame]) -> Figure:
    """Draw a bar to the right for each name, from the top, and its number at the end of it.

    Args:
        form: how a number is written, such as "{:.0%}".
    """
    axis = _axis_of(frame)
    axis.barh([as_drawn(name) for name in values], list(values.values()), color=_BLUE)
    for place, value in enumerate(values.values()):
        axis.text(value, place, f" {form.format(value)}", va="center", fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.2 * max(values.values()))
    return _framed(axis, frame)


def bar_groups(
    groups: Mapping[str, Numbers],
    places: Sequence[str],
    *,
    colours: Sequence[str],
    marks: Mapping[str, NDArray[Any]] | None = None,
    **frame: Unpack[Frame],
) -> Figure:
    """Draw a bar of each group at each place, beside one another.

    Args:
        groups: by name, one number a place.
        places: their names.
        colours: one a group.
        marks: by group, (n, places): black marks over its bars, such as those of single seeds.
    """
    axis, width = _axis_of(frame), 0.8 / len(groups)
    for number, (name, values) in enumerate(groups.items()):
        at = np.arange(len(places)) + width * (number - (len(groups) - 1) / 2)
        axis.bar(at, values, width, color=colours[number], label=as_drawn(name))
        for row in (marks or {}).get(name, ()):
            axis.plot(at, row, "_", color="black")
    _names_along(axis, places)
    return _framed(axis, frame)


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
    axis = axis or _axis_of({"size": size or _table_size(rows, columns)})
    low, high = limits or (table.min(), table.max())
    drawn = axis.imshow(table, cmap=colours, vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(table) if form else ():
        words = "" if table.dtype.kind in "iu" and value == 0 else form.format(value)
        colour = "black" if value > (low + high) / 2 else "white"
        axis.text(column, row, words, ha="center", va="center", fontsize=8, color=colour)
    _names_along(axis, columns, rows)
    axis.set_yticks(range(len(rows)), [as_written(name) for name in rows], fontsize=8)
    if bar:
        figure_of(axis).colorbar(drawn, ax=axis, label=bar)
    return _framed(axis, {"labels": labels, "title": title})


def confusion_table(counts: NDArray[np.integer], names: Sequence[str]) -> Figure:
    """Draw how often (K, K) photos of a class (rows) were given a name (columns)."""
    return number_table(counts, names, names, form="{}", labels=("predicted", "label"))


def _table_size(rows: Sequence[str], columns: Sequence[str]) -> tuple[float, float]:
    """Inches of a table with its names, those of the columns aslant; of many cells each gets less."""
    width, height = (0.45 * min(len(names), 8) + 0.22 * max(len(names) - 8, 0) for names in (columns, rows))
    return max(2, 1.2 + _room_of(rows)) + width, max(1.2, 0.6 + 0.8 * _room_of(columns)) + 0.9 * height


def _axis_of(frame: Frame) -> Axes:
    """The place that was asked for, or that of a new figure."""
    if "axis" in frame:
        return frame["axis"]
    return Figure(figsize=frame.get("size", (7, 2.8)), layout="constrained").subplots()


def _framed(axis: Axes, frame: Frame) -> Figure:
    """The figure of a chart, with its labels, limits, marks and legend."""
    for name, places in frame.get("dotted", {}).items():
        for place in np.atleast_1d(places):
            axis.axvline(place, color="black" if name else "grey", linestyle=":", linewidth=1, label=as_drawn(name))
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


def _names_along(axis: Axes, names: Sequence[str], beside: Sequence[str] = ()) -> None:
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
