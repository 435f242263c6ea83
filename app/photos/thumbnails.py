"""Small pictures of photos. Knows no Streamlit."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageOps

from gallop import Photo
from gallop.maps.photo import picture_url


def strip(photos: Sequence[Photo], *, side: int = 64, most: int = 8) -> bytes:
    """The first few photos side by side, each cut to a square, as a JPEG."""
    shown = photos[:most]
    picture = Image.new("RGB", (side * len(shown), side))
    for place, photo in enumerate(shown):
        short = min(photo.width, photo.height)
        left, top = (photo.width - short) // 2, (photo.height - short) // 2
        square = photo.image.resize((side, side), box=(left, top, left + short, top + short))
        picture.paste(square, (place * side, 0))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def thumbnail_url(photo: Photo, size: tuple[int, int] = (144, 96)) -> str:
    """One photo, cut to this shape, as a JPEG in a data URL."""
    return picture_url(ImageOps.fit(photo.image, size, Image.Resampling.BILINEAR), "JPEG", quality=80)
