"""Pictures of an explanation: the photo with what the model saw of it, the map, and the outlined regions.

Each is one small picture that the browser scales. Knows no Streamlit.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from plotly.colors import sequential

if TYPE_CHECKING:
    from gallop import Explanation, Photo

Limits: TypeAlias = "tuple[float, float]"
Pixels: TypeAlias = "tuple[int, int, int, int]"

SIDE = 448
"""Short side of a picture."""
WHOLE, CLOSE = 2.0, 1.25
"""Longest ratio of the sides: a longer photo is shown cut to it, around what the model saw."""
OPACITY = 0.55
GREY = 0.8
"""How much colour a photo loses under a map, so that the map's colours are those of the legend."""
DIMMED = 0.4
"""Brightness of what the model did not see."""
LIGHT, DARK = (255, 255, 255), (0, 0, 0)


def _ramp(stops: Sequence[str]) -> NDArray[np.uint8]:
    """256 colours between hex stops."""
    rgb = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    where = np.linspace(0, len(rgb) - 1, 256)
    return np.stack([np.interp(where, range(len(rgb)), rgb[:, c]) for c in range(3)], axis=1).astype(np.uint8)


COLOURS = _ramp(sequential.Viridis)
"""Read alike with every common kind of colour blindness, and in grey."""


@dataclass(frozen=True)
class Frame:
    """The part of a photo that is shown, and its size on the picture."""

    left: float
    top: float
    scale: float
    width: int
    height: int

    def place(self, box: object) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of something on the photo, in the picture's pixels."""
        left, top, right, bottom = (getattr(box, side) for side in ("left", "top", "right", "bottom"))
        return (
            (left - self.left) * self.scale,
            (top - self.top) * self.scale,
            (right - self.left) * self.scale,
            (bottom - self.top) * self.scale,
        )

    def pixels(self, box: object) -> Pixels:
        """As ``place``, whole pixels; right and bottom are the first ones outside."""
        left, top, right, bottom = self.place(box)
        return (
            max(round(left), 0),
            max(round(top), 0),
            min(round(right), self.width),
            min(round(bottom), self.height),
        )


def frame_of(explanation: Explanation, longest: float = WHOLE) -> Frame:
    width, height = explanation.image.size
    short = min(width, height)
    shown_width, shown_height = min(width, longest * short), min(height, longest * short)
    crop = explanation.crop
    left = min(max((crop.left + crop.right - shown_width) / 2, 0), width - shown_width)
    top = min(max((crop.top + crop.bottom - shown_height) / 2, 0), height - shown_height)
    scale = SIDE / short
    return Frame(left, top, scale, round(shown_width * scale), round(shown_height * scale))


def photo(explanation: Explanation, frame: Frame) -> Image.Image:
    """The photo; what the model did not see of it is dimmed, and the border between is dashed."""
    right, bottom = frame.left + frame.width / frame.scale, frame.top + frame.height / frame.scale
    whole = explanation.image.resize(
        (frame.width, frame.height),
        Image.Resampling.BILINEAR,
        box=(frame.left, frame.top, min(right, explanation.image.width), min(bottom, explanation.image.height)),
    )
    seen = frame.pixels(explanation.crop)
    picture = whole.point([round(value * DIMMED) for value in range(256)] * 3)
    picture.paste(whole.crop(seen), seen[:2])
    if seen != (0, 0, frame.width, frame.height):
        _dashed(ImageDraw.Draw(picture), seen)
    return picture


def limits(explanation: Explanation, class_name: str) -> Limits:
    """The smallest and the largest region score of a class, over all its local prompts: one colour scale for all."""
    maps = [explanation.region_scores(class_name, prompt) for prompt in range(len(explanation.topk))]
    low, high = min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)
    return low, max(high, low + 1e-6)


def heat(
    base: Image.Image, frame: Frame, explanation: Explanation, class_name: str, prompt: int, scale: Limits
) -> Image.Image:
    """The map of one local prompt over the photo (``base``), where the model saw it."""
    # Importing this loads torch, which the first look at the page need not wait for.
    from gallop.backbones import CropBox
    from gallop.heatmaps import photo_map

    crop = CropBox(*frame.place(explanation.crop))
    values = photo_map(explanation.region_scores(class_name, prompt), crop, base.size)
    inside = np.isfinite(values)
    share = np.clip((values[inside] - scale[0]) / (scale[1] - scale[0]), 0, 1)
    colours = COLOURS[np.rint(share * 255).astype(np.uint8)].astype(np.float32)
    mixed = np.array(base)
    under = (1 - GREY) * mixed[inside] + GREY * np.asarray(base.convert("L"))[inside][:, None]
    mixed[inside] = np.rint((1 - OPACITY) * under + OPACITY * colours)
    return Image.fromarray(mixed)


def outlined(picture: Image.Image, frame: Frame, explanation: Explanation, class_name: str, prompt: int) -> Image.Image:
    """A copy with exactly the top-k regions of one local prompt outlined, each inside its own borders."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    for box in explanation.regions(class_name, prompt):
        left, top, right, bottom = frame.pixels(box)
        right, bottom = right - 1, bottom - 1
        for inset, colour in enumerate((DARK, LIGHT, LIGHT, LIGHT, DARK)):
            if right - left > 2 * inset and bottom - top > 2 * inset:
                draw.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=colour)
    return picture


def legend() -> Image.Image:
    """The colours from the lowest to the highest score."""
    return Image.fromarray(np.repeat(COLOURS[None], 12, axis=0))


def strip(photos: Sequence[Photo], *, side: int = 64, most: int = 8) -> Image.Image:
    """The first few photos side by side, each cut to a square."""
    shown = photos[:most]
    picture = Image.new("RGB", (side * len(shown), side))
    for place, photo_ in enumerate(shown):
        width, height = photo_.image.size
        short = min(width, height)
        left, top = (width - short) // 2, (height - short) // 2
        square = photo_.image.resize((side, side), box=(left, top, left + short, top + short))
        picture.paste(square, (place * side, 0))
    return picture


def encoded(picture: Image.Image) -> bytes:
    """JPEG bytes, with the outlines' colours kept sharp."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()


def _dashed(draw: ImageDraw.ImageDraw, box: Pixels, dash: int = 10) -> None:
    left, top, right, bottom = box[0], box[1], box[2] - 1, box[3] - 1
    for inset, colour in ((0, DARK), (1, LIGHT), (2, DARK)):
        for start in range(left, right, 2 * dash):
            end = min(start + dash, right)
            draw.line((start, top + inset, end, top + inset), fill=colour)
            draw.line((start, bottom - inset, end, bottom - inset), fill=colour)
        for start in range(top, bottom, 2 * dash):
            end = min(start + dash, bottom)
            draw.line((left + inset, start, left + inset, end), fill=colour)
            draw.line((right - inset, start, right - inset, end), fill=colour)
