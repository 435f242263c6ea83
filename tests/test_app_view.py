"""The overlay: outlined cells are exactly the regions of the explanation."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import view
from gallop.estimator import GalLoPClassifier
from gallop.explanation import Explanation
from tests import tiny

NAMES = ("red", "green", "blue")


def explanation(size: tuple[int, int], topk: tuple[int, ...] = (1, 3, 5, 16)) -> Explanation:
    classifier = GalLoPClassifier(backbone=tiny.vit(), cache=False).zero_shot(NAMES)
    return classifier.explain(tiny.picture(3, "green", size)).with_topk(topk)


def outlined_cells(picture: Image.Image, frame: view.Frame, explained: Explanation) -> set[int]:
    """Cells whose whole border is drawn: dark, light and dark lines along all four sides."""
    pixels, (rows, columns) = np.asarray(picture), explained.grid
    crop = explained.crop
    width, height = (crop.right - crop.left) / columns, (crop.bottom - crop.top) / rows
    found = set()
    for cell in range(rows * columns):
        row, column = divmod(cell, columns)
        box = type(crop)(
            crop.left + column * width,
            crop.top + row * height,
            crop.left + (column + 1) * width,
            crop.top + (row + 1) * height,
        )
        left, top, right, bottom = frame.pixels(box)
        ring = pixels[top:bottom, left:right]
        y, x = ring.shape[0] // 2, ring.shape[1] // 2
        lines = [ring[:5, x], ring[-5:, x][::-1], ring[y, :5], ring[y, -5:][::-1]]
        wanted = np.array([[0] * 3, [255] * 3, [255] * 3, [255] * 3, [0] * 3])
        if all((line == wanted).all() for line in lines):
            found.add(cell)
    return found


@pytest.mark.parametrize("size", [(32, 32), (40, 32), (32, 50), (96, 32), (300, 20), (7, 90)])
@pytest.mark.parametrize("prompt", range(4))
def test_exactly_the_top_k_regions_are_outlined(size: tuple[int, int], prompt: int) -> None:
    explained = explanation(size)
    frame = view.frame_of(explained, view.CLOSE)
    base = view.photo(explained, frame)
    heat = view.heat(base, frame, explained, "red", prompt, view.limits(explained, "red"))
    picture = view.outlined(heat, frame, explained, "red", prompt)
    wanted = {box.region for box in explained.regions("red", prompt)}
    assert len(wanted) == explained.topk[prompt]
    assert outlined_cells(picture, frame, explained) == wanted
    assert outlined_cells(heat, frame, explained) == set()


def test_the_score_is_the_mean_of_the_outlined_regions() -> None:
    explained = explanation((40, 32))
    for row, name in enumerate(NAMES):
        for prompt in range(4):
            mean = np.mean([box.score for box in explained.regions(name, prompt)])
            assert mean == pytest.approx(explained.local_scores[row, prompt], abs=1e-6)


def test_colours_stand_for_the_same_score_in_every_picture() -> None:
    explained = explanation((32, 32))
    low, high = view.limits(explained, "blue")
    scores = np.stack([explained.region_scores("blue", prompt) for prompt in range(4)])
    assert (low, high) == (pytest.approx(scores.min()), pytest.approx(scores.max()))


def test_the_best_cell_has_the_last_colour_and_the_worst_the_first() -> None:
    explained = explanation((32, 32))
    frame = view.frame_of(explained)
    base = Image.new("RGB", (frame.width, frame.height), "black")  # then only the map's colours are left, by OPACITY
    scores = explained.region_scores("red", 0)
    picture = np.asarray(view.heat(base, frame, explained, "red", 0, (float(scores.min()), float(scores.max()))))
    side = frame.width // explained.grid[1]
    for cell, colour in ((int(scores.argmax()), view.COLOURS[-1]), (int(scores.argmin()), view.COLOURS[0])):
        row, column = divmod(cell, explained.grid[1])
        seen = picture[row * side + side // 2, column * side + side // 2]
        assert np.abs(seen - view.OPACITY * colour).max() < 12


def test_what_the_model_did_not_see_is_dimmed_and_has_no_map() -> None:
    explained = explanation((64, 32))
    frame = view.frame_of(explained)
    photo = view.photo(explained, frame)
    plain = np.asarray(explained.image.resize((frame.width, frame.height), Image.Resampling.BILINEAR)).astype(int)
    shown = np.asarray(photo).astype(int)
    left, _, right, _ = frame.pixels(explained.crop)
    assert np.abs(shown[:, : left - 1] - plain[:, : left - 1] * view.DIMMED).max() <= 1
    assert (shown[10:-10, left + 10 : right - 10] == plain[10:-10, left + 10 : right - 10]).all()
    heat = np.asarray(view.heat(photo, frame, explained, "red", 0, view.limits(explained, "red")))
    assert (heat[:, : left - 1] == shown[:, : left - 1]).all()
    assert (heat[:, left + 4 : right - 4] != shown[:, left + 4 : right - 4]).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (1000, 1), (3, 2), (500, 400)])
def test_pictures_stay_small_whatever_the_photo(size: tuple[int, int]) -> None:
    explained = explanation(size)
    picture = view.photo(explained, view.frame_of(explained))
    assert min(picture.size) == view.SIDE
    assert max(picture.size) <= view.WHOLE * view.SIDE
    assert len(view.encoded(picture)) < 400_000
