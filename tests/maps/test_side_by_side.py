"""Maps beside each other: each over the whole of its picture, its best cell where it is, no title read as maths."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gallop.maps.side_by_side import map_grid

PICTURES = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]


def test_each_map_lies_over_its_whole_picture_and_its_best_cell_is_marked() -> None:
    first, second = np.zeros((4, 6)), np.zeros((2, 3))
    first[3, 5] = second[0, 1] = 1
    outline = np.zeros((40, 60), dtype=bool)
    outline[10:20, 10:30] = True
    figure = map_grid(PICTURES, {"ours": [first, second]}, ["a $5 cup", "b"], [outline, ~outline])
    figure.canvas.draw()
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes] == [r"a \$5 cup", "ours", "b", ""]
    marks = [axes.lines[0].get_xydata()[0].tolist() for axes in figure.axes if axes.lines]
    assert marks == [[55, 35], [30, 10]]
    for axes in figure.axes[1::2]:
        assert axes.images[-1].get_extent() == [0, 60, 40, 0]
    assert all(axes.collections for axes in figure.axes)


def test_a_way_without_a_map_for_each_picture_is_named() -> None:
    with pytest.raises(ValueError, match="Grad-CAM has 1 maps for 2 pictures"):
        map_grid(PICTURES, {"Grad-CAM": [np.zeros((2, 2))]})
