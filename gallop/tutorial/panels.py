"""Photos and maps beside each other, without axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from gallop.images import Photo
from gallop.maps.look import COLOURS
from gallop.tutorial.surroundings import figure_of
from gallop.wording import as_drawn

MAP_COLOURS = COLOURS[1]
"""Of maps and tables."""
_LETTER = 0.065  # inches that a letter of a title takes
_OVER = "magma"  # of a map that is laid over a picture


_Corners = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Panel:
    """One picture of a row.

    Attributes:
        picture: a photo or an image; or a map of numbers (rows, columns), which is drawn in colours.
        title: above it.
        limits: numbers of a map's first and last colour; None for its lowest and its highest.
        colours: of a map, by matplotlib's name.
        over: another map, which is laid over the picture.
        best: so many of the highest cells of ``over`` are outlined in white.
        around: (height, width), true on a thing, which gets a red line around it.
        frames: boxes (left, top, right, bottom) in pixels of the picture, drawn in red.
        grid: a box (left, top, right, bottom) in pixels, and the rows and columns that white lines part it into.
        cross: a place (down, across), both from 0 to 1, that gets a white cross.
    """

    picture: Photo | Image.Image | NDArray[Any] | Any
    title: str = ""
    limits: tuple[float, float] | None = None
    colours: str = MAP_COLOURS
    over: NDArray[np.floating] | Any = None
    best: int = 0
    around: NDArray[np.bool_] | None = None
    frames: Sequence[_Corners] = ()
    grid: tuple[_Corners, int, int] | None = None
    cross: Sequence[float] = ()


def panels(
    rows: Sequence[Sequence[Panel]],
    size: tuple[float, float],
    *,
    bar: str = "",
    names: Sequence[str] = (),
    heading: str = "",
) -> Figure:
    """Draw rows of pictures; a row that is shorter than the others ends early.

    Args:
        size: inches of all of it, (width, height).
        bar: what the colours of the last map mean, beside a bar of them; "" for no bar. Maps with equal limits share
            it.
        names: of the rows, at the left of each.
        heading: above everything.
    """
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), max(map(len, rows)), squeeze=False)
    drawn: AxesImage | None = None
    for axis in grid.flat:
        axis.set_axis_off()
    for number, (axes, row) in enumerate(zip(grid, rows, strict=True)):
        for axis, panel in zip(axes, row, strict=False):
            drawn = draw_panel(panel, axis)
        if names:
            axes[0].set_title(as_drawn(names[number]), fontsize=9, loc="left")
    if bar and drawn is not None:
        figure.colorbar(drawn, ax=grid.ravel().tolist(), label=bar, shrink=0.8)
    if heading:
        figure.suptitle(as_drawn(heading), fontsize=10)
    return figure


def draw_panel(panel: Panel, axis: Axes) -> AxesImage:
    """Draw one picture where its place is taken already, and return what its colours are read from."""
    axis.set_axis_off()
    if panel.title:
        spec = axis.get_subplotspec()
        columns = 1 if spec is None else spec.get_gridspec().ncols
        room = int(0.9 * figure_of(axis).get_figwidth() / columns / _LETTER)
        axis.set_title(as_drawn("\n".join(fill(line, room) for line in panel.title.splitlines())), fontsize=9)
    pixels = panel.picture.image if isinstance(panel.picture, Photo) else panel.picture
    shape = np.asarray(pixels).shape
    low, high = panel.limits or (None, None)
    drawn = axis.imshow(pixels, cmap=panel.colours if len(shape) == 2 else None, vmin=low, vmax=high)
    height, width = shape[:2]
    if panel.over is not None:
        _lay_over(axis, np.asarray(panel.over), panel.best, (width, height))
    if panel.around is not None:
        axis.contour(panel.around, levels=[0.5], colors="red", linewidths=1, extent=(0, width, 0, height))
    for left, top, right, bottom in panel.frames:
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color="red", linewidth=3))
    if panel.grid is not None:
        (left, top, right, bottom), rows, columns = panel.grid
        axis.hlines(np.linspace(top, bottom, rows + 1), left, right, color="white", linewidth=0.6)
        axis.vlines(np.linspace(left, right, columns + 1), top, bottom, color="white", linewidth=0.6)
    if panel.cross:
        down, across = panel.cross
        for colour, side, thick in (("black", 16, 5.0), ("white", 14, 2.5)):
            style: dict[str, Any] = {"color": colour, "markersize": side, "markeredgewidth": thick}
            axis.plot(across, 1 - down, "+", transform=axis.transAxes, **style)
    return drawn


def _lay_over(axis: Axes, values: NDArray[np.floating], best: int, size: tuple[int, int]) -> None:
    """A map over a picture of a size, both of the same place, with its highest cells outlined."""
    (width, height), (rows, columns) = size, values.shape
    axis.imshow(values, cmap=_OVER, alpha=0.65, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for place in np.argsort(-values, axis=None, kind="stable")[:best]:
        row, column = divmod(int(place), columns)
        corner = column * width / columns - 0.5, row * height / rows - 0.5
        axis.add_patch(Rectangle(corner, width / columns, height / rows, fill=False, color="white", linewidth=0.8))
