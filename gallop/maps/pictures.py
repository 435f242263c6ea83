"""A photo and a map on it as one picture: what files, reports and matplotlib's plots show, drawn in this one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gallop.images import CropBox
from gallop.maps.look import DARKENED, DIMMED, GREYED, Scale, Style, Subject, painted, scale_of
from gallop.maps.outlines import outlined
from gallop.predictions.heatmaps import FloatMap, photo_map

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation
else:
    Explanation = Any  # hints can be worked out (typing.get_type_hints) without loading it

MOST_SIDE = 1600
"""Longest side of a picture, in pixels."""
LEAST_SIDE = 200
"""Short side of a picture, in pixels, where the photo has less: outlines would hide it."""
_LIGHT = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Of red, green and blue, in the grey that they become."""


def map_picture(
    subject: Subject,
    prompt: int,
    *,
    minus: Subject | None = None,
    scale: Scale | None = None,
    style: Style | None = None,
    side: int = MOST_SIDE,
) -> Image.Image:
    """Draw the photo, the map of one local prompt (counted from 0) over it, and its top-k regions outlined. RGB.

    What the model did not see has no map, and is dimmed. Under a map the photo is nearly grey; a map of no opacity
    leaves it its colours.

    Args:
        minus: whose scores are subtracted, as in ``map_panel``; its top-k regions get a dot.
        scale: of the colours; None takes the map's own.
        side: the longest side, in pixels, of a picture of a photo that is larger. A small photo is enlarged.
    """
    style, explanation = style or Style(), subject.explanation
    scores = subject.scores(prompt, minus)
    scale = scale or scale_of([scores], signed=minus is not None)
    sheet = _Sheet.of(explanation, side)
    wide = photo_map(scores, sheet.crop, sheet.photo.size, smooth=style.smooth)
    seen = ~np.isnan(wide)
    layer = painted(np.where(seen, wide, scale.low).astype(np.float32), scale, style)
    weight = np.where(seen, layer[..., 3] / np.float32(255), np.float32(0))[..., None]
    under = _greyed(sheet.pixels) if style.opacity else sheet.pixels
    mixed = _dimmed(under * (1 - weight) + layer[..., :3] * weight, sheet.crop)
    rival = minus.kept(prompt) if minus else ()
    return _picture(outlined(mixed, sheet.crop, explanation.grid, subject.kept(prompt), rival))


def seen_picture(explanation: Explanation, *, side: int = MOST_SIDE) -> Image.Image:
    """Draw the photo in its colours, with what the model did not see dimmed. RGB."""
    sheet = _Sheet.of(explanation, side)
    return _picture(_dimmed(sheet.pixels, sheet.crop))


@dataclass(frozen=True)
class _Sheet:
    """A photo at the size of its picture, and where on it lies what the model saw."""

    photo: Image.Image
    crop: CropBox

    @classmethod
    def of(cls, explanation: Explanation, side: int) -> _Sheet:
        photo, crop = explanation.image, explanation.crop
        times = min(max(LEAST_SIDE / min(photo.size), 1), side / max(photo.size))
        size = [max(round(length * times), 1) for length in photo.size]
        sheet = photo.resize((size[0], size[1]), Image.Resampling.LANCZOS, reducing_gap=2.0)
        x, y = sheet.width / photo.width, sheet.height / photo.height
        return cls(sheet, CropBox(crop.left * x, crop.top * y, crop.right * x, crop.bottom * y))

    @property
    def pixels(self) -> FloatMap:
        return np.asarray(self.photo, dtype=np.float32)


def _greyed(pixels: FloatMap) -> FloatMap:
    grey = (pixels @ _LIGHT)[..., None]
    return np.minimum(GREYED * grey + (1 - GREYED) * pixels, 255) * np.float32(DARKENED)


def _dimmed(pixels: FloatMap, crop: CropBox) -> FloatMap:
    height, width, _ = pixels.shape
    left, top, right, bottom = (round(side) for side in (crop.left, crop.top, crop.right, crop.bottom))
    light = np.full((height, width, 1), 1 - DIMMED, dtype=np.float32)
    light[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 1
    return pixels * light


def _picture(pixels: FloatMap) -> Image.Image:
    return Image.fromarray(np.rint(pixels).astype(np.uint8))
