"""A plot, a picture file and the region grid draw a map alike: equal scores, equal colours, equal outlines."""

from __future__ import annotations

import base64
import io

import matplotlib.colors
import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image

from gallop.maps.look import LINE, Style, Subject, rectangle, scale_of
from gallop.maps.pictures import map_picture
from gallop.maps.region_grid import panel
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


def test_a_scale_does_not_count_what_lies_outside_of_the_crop() -> None:
    scores = np.array([[np.nan, 0.25], [-0.5, np.nan]], dtype=np.float32)
    assert (scale_of([scores]).low, scale_of([scores]).high) == (-0.5, 0.25)
    assert (scale_of([scores], signed=True).low, scale_of([scores], signed=True).high) == (-0.5, 0.5)
