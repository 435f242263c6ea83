"""The photo as a page shows it: small, and where on it lies what the model saw."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from gallop.images import CropBox

SIDE = 600
"""Short side of the photo, in pixels."""


def photo_place(photo: Image.Image, crop: CropBox) -> dict[str, Any]:
    """Return the aspect ratio of the part of the photo that is shown, and the crop as fractions of its sides."""
    left, top, width, height = shown(photo, crop)
    return {
        "ratio": width / height,
        "crop": [
            (crop.left - left) / width,
            (crop.top - top) / height,
            (crop.right - crop.left) / width,
            (crop.bottom - crop.top) / height,
        ],
    }


def shown(photo: Image.Image, crop: CropBox) -> tuple[float, float, float, float]:
    """Return (left, top, width, height) of the part of the photo that is shown: all of it, but no longer than 3:2.

    A longer photo is cut to that, around what the model saw.
    """
    width, height = photo.size
    longest = 1.5 * min(width, height)
    shown_width, shown_height = min(width, longest), min(height, longest)
    left = min(max((crop.left + crop.right - shown_width) / 2, 0), width - shown_width)
    top = min(max((crop.top + crop.bottom - shown_height) / 2, 0), height - shown_height)
    return left, top, shown_width, shown_height


def photo_url(photo: Image.Image, crop: CropBox) -> str:
    """Return the part of the photo that is shown, as a small JPEG in a data URL."""
    left, top, width, height = shown(photo, crop)
    scale = SIDE / min(width, height)
    picture = photo.resize(
        (round(width * scale), round(height * scale)),
        Image.Resampling.BILINEAR,
        box=(left, top, left + width, top + height),
    )
    return picture_url(picture, "JPEG", quality=85)


def picture_url(picture: Image.Image, kind: str, **settings: Any) -> str:
    """Return a picture as a data URL."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
