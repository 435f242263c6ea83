"""A file's bytes to a picture: whole as ``load_image`` has it, or smaller by the JPEG decoder's own way."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop.errors import CorruptImage
from gallop.images import CropBox, decode_image, load_image


def smooth(width: int, height: int) -> Image.Image:
    """Colours that change slowly, so that a JPEG keeps them at any scale."""
    rng = np.random.default_rng(3)
    small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": 95} if form == "JPEG" else {}), **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("size", "short_side", "found"),
    [
        ((640, 480), None, (640, 480)),
        ((640, 480), 241, (640, 480)),
        ((640, 480), 240, (320, 240)),
        ((640, 480), 100, (160, 120)),
        ((480, 641), 60, (60, 81)),
        ((640, 480), 10, (80, 60)),  # an eighth is the least
    ],
)
def test_a_jpeg_comes_smaller_as_long_as_its_short_side_is_long_enough(
    size: tuple[int, int], short_side: int | None, found: tuple[int, int]
) -> None:
    whole = smooth(*size)
    decoded = decode_image(encoded(whole), "a.jpg", short_side=short_side)
    assert (decoded.image.size, decoded.size) == (found, size)
    expected = np.asarray(whole.resize(found, Image.Resampling.BOX), np.float32)
    assert np.abs(np.asarray(decoded.image, np.float32) - expected).mean() < 2


def test_whole_it_is_what_load_image_gives() -> None:
    for data in (encoded(smooth(64, 48)), encoded(smooth(64, 48), "PNG")):
        assert load_image(decode_image(data, "a").image).sha256 == load_image(data).sha256


def test_other_formats_come_whole() -> None:
    for form in ("PNG", "BMP", "TIFF", "GIF"):
        assert decode_image(encoded(smooth(640, 480), form), "a", short_side=60).image.size == (640, 480)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photo_that_lies_on_its_side_has_the_size_it_is_shown_in(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    decoded = decode_image(encoded(smooth(640, 480), exif=exif), "a.jpg", short_side=120)
    assert (decoded.image.size, decoded.size) == (((160, 120), (640, 480)) if turn < 5 else ((120, 160), (480, 640)))


def test_one_that_was_cut_off_is_refused_at_any_scale() -> None:
    data = encoded(smooth(640, 480))
    for short_side in (None, 60):
        with pytest.raises(CorruptImage, match=r"half\.jpg is incomplete"):
            decode_image(data[: len(data) // 2], "half.jpg", short_side=short_side)


def test_a_crop_of_the_smaller_picture_is_one_of_the_photo() -> None:
    assert CropBox(10, 0, 90, 60).scaled(8, 8.5) == CropBox(80, 0, 720, 510)
