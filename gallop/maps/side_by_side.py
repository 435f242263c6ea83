"""Maps of many ways beside each other, a picture a row and a way a column, drawn without a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from gallop.maps.look import COLOURS, GREYED
from gallop.wording import as_drawn

PICTURE_INCHES = 1.35
"""Side of a picture."""


def map_grid(
    pictures: Sequence[Image.Image],
    maps: Mapping[str, Sequence[NDArray[np.floating]]],
    titles: Sequence[str] | None = None,
    outlines: Sequence[NDArray[np.bool_]] | None = None,
) -> Figure:
    """Draw each picture, then each way's map of it from its lowest value to its highest; the best cell is a dot.

    Colours tell which cells of one map are more than others, and nothing between two maps: ways have different units.

    Args:
        pictures: as the maps saw them; a map covers all of its picture.
        maps: by way, one for each picture, (rows, columns) of any size.
        titles: of the rows.
        outlines: (height, width) of each picture, true on what is to be found; a line is drawn around it.

    Raises:
        ValueError: a way has not as many maps as there are pictures.
    """
    for way, found in maps.items():
        if len(found) != len(pictures):
            raise ValueError(f"{way} has {len(found)} maps for {len(pictures)} pictures; give one for each.")
    size = PICTURE_INCHES * (1 + len(maps)), PICTURE_INCHES * len(pictures) + 0.35
    figure = Figure(figsize=size, layout="constrained")
    for row, axes in enumerate(figure.subplots(len(pictures), 1 + len(maps), squeeze=False)):
        first, *others = axes
        _show(first, pictures[row])
        if titles is not None:
            first.set_title(as_drawn(titles[row]), fontsize=8)
        for axis, (way, found) in zip(others, maps.items(), strict=True):
            _show(axis, ImageEnhance.Color(pictures[row]).enhance(1 - GREYED))
            _lay_over(axis, np.asarray(found[row], dtype=np.float64), pictures[row].size)
            if row == 0:
                axis.set_title(way, fontsize=8)
        if outlines is not None:
            for axis in axes:
                axis.contour(outlines[row], [0.5], colors="white", linewidths=1)
    return figure


def _show(axes: Axes, picture: Image.Image) -> None:
    axes.imshow(picture)
    axes.set_axis_off()


def _lay_over(axes: Axes, values: NDArray[np.float64], size: tuple[int, int]) -> None:
    width, height = size
    axes.imshow(values, extent=(0, width, height, 0), cmap=COLOURS[0], alpha=0.7, interpolation="nearest")
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    place = (column + 0.5) * width / values.shape[1], (row + 0.5) * height / values.shape[0]
    axes.plot(*place, marker="o", markersize=5, color="white", markeredgecolor="black")
