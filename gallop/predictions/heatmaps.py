"""Region scores on the ORIGINAL photo: a map in its pixels, and regions as boxes.

Regions are numbered row by row. The model saw only a crop of the photo; outside it a map holds NaN, never a guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallop.images import CropBox

FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """One region on the photo: its number, its cosine, and its corners in pixels (fractions allowed).

    ``look`` is 0 for the first look and 1 for the second; ``region`` is a number in the grid of that look.
    """

    region: int
    score: float
    left: float
    top: float
    right: float
    bottom: float
    look: int = 0

    def rounded(self) -> tuple[int, int, int, int]:
        """Return (left, top, right, bottom) in whole pixels."""
        return round(self.left), round(self.top), round(self.right), round(self.bottom)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; ``box`` is [left, top, right, bottom]. ``look`` is for the second look only."""
        sides = [self.left, self.top, self.right, self.bottom]
        return {"region": self.region, "score": self.score, "box": sides} | ({"look": self.look} if self.look else {})


def region_box(region: int, score: float, grid: tuple[int, int], crop: CropBox) -> Box:
    """Return where region number ``region`` of a (rows, columns) grid lies on the photo."""
    rows, columns = grid
    row, column = divmod(region, columns)
    width, height = (crop.right - crop.left) / columns, (crop.bottom - crop.top) / rows
    left, top = crop.left + column * width, crop.top + row * height
    return Box(region, score, left, top, left + width, top + height)


def photo_map(scores: FloatMap, crop: CropBox, size: tuple[int, int], *, smooth: bool = True) -> FloatMap:
    """Return scores (rows, columns) as a map (height, width) of the photo, NaN outside the crop.

    Args:
        size: (width, height) of the photo, as PIL gives it.
        smooth: bilinear between the cells' centres; otherwise each cell is one flat block.
    """
    width, height = size
    left, top = max(round(crop.left), 0), max(round(crop.top), 0)
    right, bottom = min(max(round(crop.right), left + 1), width), min(max(round(crop.bottom), top + 1), height)
    inside = Image.fromarray(np.ascontiguousarray(scores, dtype=np.float32)).resize(
        (right - left, bottom - top), Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    )
    full = np.full((height, width), np.nan, dtype=np.float32)
    full[top:bottom, left:right] = np.asarray(inside)
    return full


def place_in_words(region: int, grid: tuple[int, int]) -> str:
    """Return in which ninth of the photo a region has its centre.

    >>> place_in_words(0, (4, 4))
    'upper left'
    """
    rows, columns = grid
    row, column = divmod(region, columns)
    vertical = ("upper", "middle", "lower")[(6 * row + 3) // (2 * rows)]
    horizontal = ("left", "centre", "right")[(6 * column + 3) // (2 * columns)]
    return "centre" if (vertical, horizontal) == ("middle", "centre") else f"{vertical} {horizontal}"


def where_in_words(regions: Sequence[int], grid: tuple[int, int]) -> str:
    """Return a text alternative of outlined regions, densest part of the photo first.

    >>> where_in_words([0, 1, 15], (6, 6))
    'upper left, 2 of 3 regions; centre, 1 of 3 regions'
    """
    counts = Counter(place_in_words(region, grid) for region in regions)
    return "; ".join(f"{place}, {count} of {len(regions)} regions" for place, count in counts.most_common())
