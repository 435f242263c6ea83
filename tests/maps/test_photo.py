"""The photo as a page shows it: small, and whoever lays regions on it finds them where the model saw them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gallop.maps import shown_photo
from gallop.predictions.explanation import Explanation
from tests import tiny

each_size = pytest.mark.parametrize("size", [(32, 32), (40, 32), (32, 50), (96, 32), (300, 20), (7, 90), (1, 1)])


def explanation(size: tuple[int, int]) -> Explanation:
    return tiny.classifier(topk=(16,)).zero_shot(["red", "green"]).explain(tiny.picture(3, "green", size))


def pixels(url: str) -> NDArray[np.uint8]:
    head, data = url.split(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@each_size
def test_the_grid_lies_on_what_the_model_saw(size: tuple[int, int]) -> None:
    """Each region's place in shares of what is shown, read back in the photo's pixels, is the region's box."""
    found = explanation(size)
    placed, (rows, columns) = shown_photo.photo_place(found.image, found.crop), found.grid
    left, top, width, height = shown_photo.shown(found.image, found.crop)
    across, down, share_across, share_down = placed["crop"]
    assert placed["ratio"] == pytest.approx(width / height)
    boxes = found.regions("red", 0)
    assert len(boxes) == rows * columns
    for box in boxes:
        row, column = divmod(box.region, columns)
        assert left + width * (across + share_across * column / columns) == pytest.approx(box.left)
        assert top + height * (down + share_down * (row + 1) / rows) == pytest.approx(box.bottom)


@each_size
def test_the_photo_is_small_and_shows_all_that_the_model_saw(size: tuple[int, int]) -> None:
    found = explanation(size)
    picture = pixels(shown_photo.photo_url(found.image, found.crop))
    assert shown_photo.SIDE == min(picture.shape[:2]) <= max(picture.shape[:2]) <= 1.5 * shown_photo.SIDE
    left, top, width, height = shown_photo.shown(found.image, found.crop)
    assert (left, top, width, height) == (0, 0, *size) or max(size) > 1.5 * min(size)
    assert left - 0.5 <= found.crop.left <= found.crop.right <= left + width + 0.5
    assert top - 0.5 <= found.crop.top <= found.crop.bottom <= top + height + 0.5
