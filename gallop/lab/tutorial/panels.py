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
from numpy.typing import NDArray
from PIL import Image

from gallop.images import Photo
from gallop.lab.tutorial.charts import MAP_COLOURS, figure_of
from gallop.wording import as_drawn

_LETTER = 0.065  # inches that a letter of a title takes


@dataclass(frozen=True)
class Panel:
    """One picture of a row.

    Attributes:
        picture: a photo or an image; or a map of numbers (rows, columns), which is drawn in colours.
        title: above it.
        limits: numbers of a map's first and last colour; None for its lowest and its highest.
        colours: of a map, by matplotlib's name.
        around: (height, width), true on a thing, which gets a red line around it.
    """

    picture: Photo | Image.Image | NDArray[Any] | Any
    title: str = ""
    limits: tuple[float, float] | None = None
    colours: str = MAP_COLOURS
    around: NDArray[np.bool_] | None = None


def panels(
    rows: Sequence[Sequence[Panel]],
    size: tuple[float, float],
    *,
    bar: str = "",
    names: Sequence[str] = (),
) -> Figure:
    """Draw rows of pictures; a row that is shorter than the others ends early.

    Args:
        size: inches of all of it, (width, height).
        bar: what the colours of the last map mean, beside a bar of them; "" for no bar. Maps with equal limits share
            it.
        names: of the rows, at the left of each.
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
    if panel.around is not None:
        axis.contour(panel.around, levels=[0.5], colors="red", linewidths=1, extent=(0, shape[1], 0, shape[0]))
    return drawn
