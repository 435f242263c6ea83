"""A plot, a picture file and the region grid draw a map alike: equal scores, equal colours, equal outlines."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.patches import Rectangle
from PIL import Image

from gallop.backbones import load_backbone
from gallop.estimator import GalLoPClassifier
from gallop.maps.look import LINE, Style, Subject, rectangle, scale_of
from gallop.maps.pictures import map_picture
from gallop.maps.region_grid import panel
from gallop.predictions.heatmaps import place_in_words
from tests import tiny

BLOCKS = Style("cividis", opacity=1.0, smooth=False)


def test_three_ways_to_draw_agree_in_colours_scale_and_outlines() -> None:
    found = tiny.classifier().zero_shot(["red", "green"]).explain(tiny.picture(3, size=(320, 320)))
    subject = Subject(found, "red")
    scale = scale_of([subject.scores(0)])
    grid = np.asarray(Image.open(io.BytesIO(base64.b64decode(panel.map_url(subject.scores(0), scale, BLOCKS)[22:]))))
    picture = np.asarray(map_picture(subject, 0, scale=scale, style=BLOCKS))
    figure = found.plot("red")
    photo, *_, overlay = figure.axes[0], figure.axes[2]
    shown = overlay.images[1]
    places = [rectangle(box) for box in found.regions("red", 0)]
    for row in range(4):
        for column in range(4):
            centre = picture[80 * row + 40, 80 * column + 40]
            assert (centre == grid[row, column, :3]).all()
            drawn = shown.cmap((subject.scores(0)[row, column] - scale.low) / (scale.high - scale.low), bytes=True)
            assert np.abs(centre.astype(int) - np.array(drawn[:3], dtype=int)).max() <= 3
    assert (shown.cmap.name, shown.get_alpha()) == ("cividis", Style().opacity)
    whole = scale_of([found.map("red", prompt) for prompt in range(len(found.topk))])
    assert shown.get_clim() == (whole.low, whole.high)
    outlines = [patch for patch in overlay.patches if isinstance(patch, Rectangle)]
    assert [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in outlines] == places
    assert {patch.get_edgecolor() for patch in outlines} == {matplotlib.colors.to_rgba(LINE)}
    for left, top, width, height in places:
        assert (picture[round(top), round(left + width / 2)] == 255).all()
        assert (picture[round(top + height / 2), round(left)] == 255).all()
    (crop,) = photo.patches
    assert (*crop.get_xy(), crop.get_width(), crop.get_height()) == rectangle(found.crop)


@pytest.mark.parametrize("side", [1, 2, 4, 7, 14, 16, 24])
def test_words_of_places_are_the_ninth_that_a_regions_centre_lies_in(side: int) -> None:
    for row in range(side):
        for column in range(side):
            vertical, horizontal = (np.floor(3 * (n + 0.5) / side) for n in (row, column))
            words = ("upper", "middle", "lower")[int(vertical)], ("left", "centre", "right")[int(horizontal)]
            place = place_in_words(side * row + column, (side, side))
            assert place == ("centre" if words == ("middle", "centre") else " ".join(words))


@pytest.mark.parametrize(("image_size", "patch_size"), [(224, 32), (224, 16), (336, 14)], ids=["7", "14", "24"])
def test_an_outline_leaves_most_of_its_cell_whatever_the_grid(image_size: int, patch_size: int, tmp_path: Path) -> None:
    tower = load_backbone(str(tiny.backbone_folder(tmp_path, image_size=image_size, patch_size=patch_size)))
    photo = tiny.picture(3, size=(900, 768))
    found = GalLoPClassifier(backbone=tower, topk=(5,), cache=False).zero_shot(["red", "green"]).explain(photo)
    picture = np.asarray(map_picture(Subject(found, "red"), 0, style=Style("cividis", opacity=0.0)))
    drawn = (picture != np.asarray(photo)).any(axis=2)
    for box in found.regions("red", 0):
        left, top, right, bottom = box.rounded()
        assert drawn[top:bottom, left].all()
        assert drawn[top:bottom, left:right].mean() < 0.6
        assert drawn[(top + bottom) // 2, left:right].mean() < 0.36
    figure = found.plot("red")
    figure.draw_without_rendering()
    overlay = figure.axes[2]
    for patch in (patch for patch in overlay.patches if isinstance(patch, Rectangle)):
        cell = patch.get_window_extent().width * 72 / figure.dpi
        (stroke,) = patch.get_path_effects()
        assert stroke._gc["linewidth"] < 0.45 * cell, "half of it lies inside, on either side"


def test_a_scale_does_not_count_what_lies_outside_of_the_crop() -> None:
    scores = np.array([[np.nan, 0.25], [-0.5, np.nan]], dtype=np.float32)
    assert (scale_of([scores]).low, scale_of([scores]).high) == (-0.5, 0.25)
    assert (scale_of([scores], signed=True).low, scale_of([scores], signed=True).high) == (-0.5, 0.5)
