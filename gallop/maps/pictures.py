"""A photo and a map on it as one picture: what files, reports and matplotlib's plots show, drawn in this one place.

Regions that count are outlined, and a dot is in each of another subject's. White within black is seen on a photo of any
colour. A browser strokes the same lines, in ``explainer/src/map.js``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gallop.images import CropBox
from gallop.maps.look import DARKENED, DIMMED, GREYED, Scale, Style, Subject, painted, scale_of
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
Line = tuple[int, int, int, int]
"""(x, y, x, y), in regions."""
_BLACK, _WHITE = 0, 255


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
    pixels, crop = _resized(explanation, side)
    wide = photo_map(scores, crop, (pixels.shape[1], pixels.shape[0]), smooth=style.smooth)
    seen = ~np.isnan(wide)
    layer = painted(np.where(seen, wide, scale.low).astype(np.float32), scale, style)
    weight = np.where(seen, layer[..., 3] / np.float32(255), np.float32(0))[..., None]
    if style.opacity:
        grey = (pixels @ _LIGHT)[..., None]
        pixels = np.minimum(GREYED * grey + (1 - GREYED) * pixels, 255) * np.float32(DARKENED)
    mixed = _dimmed(pixels * (1 - weight) + layer[..., :3] * weight, crop)
    rival = minus.kept(prompt) if minus else ()
    return _picture(outlined(mixed, crop, explanation.grid, subject.kept(prompt), rival))


def save_maps(
    explanations: Sequence[Explanation], folder: str | PathLike[str], names: Sequence[str] | None = None
) -> list[Path]:
    """Write the map of every local prompt for the answer of each photo as a PNG file. Returns their paths.

    A file is called ``NAME-local-1-k-5.png`` and replaced where it is there.

    Args:
        names: of the photos; by default they are numbered, from 0.

    Raises:
        ValueError: not one name for each photo, or two that are equal.
    """
    names = [str(i) for i in range(len(explanations))] if names is None else [Path(name).stem for name in names]
    if len(set(names)) != len(explanations):
        raise ValueError(f"{len(explanations)} photos need as many different names; got {len(set(names))}.")
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    for name, explanation in zip(names, explanations, strict=True):
        for prompt, k in enumerate(explanation.topk):
            paths.append(Path(folder) / f"{name}-local-{prompt + 1}-k-{k}.png")
            map_picture(Subject(explanation, explanation.label), prompt).save(paths[-1])
    return paths


def seen_picture(explanation: Explanation, *, side: int = MOST_SIDE) -> Image.Image:
    """Draw the photo in its colours, with what the model did not see dimmed. RGB."""
    return _picture(_dimmed(*_resized(explanation, side)))


def _resized(explanation: Explanation, side: int) -> tuple[FloatMap, CropBox]:
    """The photo's pixels (height, width, 3) at the size of its picture, and where on it lies what the model saw."""
    photo = explanation.image
    times = min(max(LEAST_SIDE / min(photo.size), 1), side / max(photo.size))
    width, height = (max(round(length * times), 1) for length in photo.size)
    sheet = photo.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    crop = explanation.crop.scaled(width / photo.width, height / photo.height)
    return np.asarray(sheet, dtype=np.float32), crop


def _dimmed(pixels: FloatMap, crop: CropBox) -> FloatMap:
    height, width, _ = pixels.shape
    left, top, right, bottom = (round(side) for side in (crop.left, crop.top, crop.right, crop.bottom))
    light = np.full((height, width, 1), 1 - DIMMED, dtype=np.float32)
    light[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 1
    return pixels * light


def _picture(pixels: FloatMap) -> Image.Image:
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def borders(regions: Iterable[int], grid: tuple[int, int]) -> tuple[list[Line], list[Line]]:
    """Return the lines around a set of regions, and those within it, between two of them."""
    rows, columns = grid
    inside = np.zeros((rows + 2, columns + 2), dtype=bool)  # with a rim of regions that are not in it
    for region in regions:
        inside[region // columns + 1, region % columns + 1] = True
    above, below = inside[:-1, 1:-1], inside[1:, 1:-1]
    left, right = inside[1:-1, :-1], inside[1:-1, 1:]

    def lines(across: NDArray[np.bool_], down: NDArray[np.bool_]) -> list[Line]:
        flat = [(x, y, x + 1, y) for y, x in np.argwhere(across).tolist()]
        return flat + [(x, y, x, y + 1) for y, x in np.argwhere(down).tolist()]

    return lines(above ^ below, left ^ right), lines(above & below, left & right)


def outlined(
    picture: FloatMap, crop: CropBox, grid: tuple[int, int], kept: Sequence[int], rival: Sequence[int] = ()
) -> FloatMap:
    """Return a picture (height, width, 3) with its kept regions outlined and its rival ones dotted.

    Args:
        crop: where the grid lies on the picture, in pixels.
    """
    canvas = _Canvas(picture, crop, grid)
    around, within = borders(kept, grid)
    canvas.stroke(within, 0.5, _WHITE, 0.45)
    canvas.stroke(around, 2.4, _BLACK, 0.75)
    canvas.stroke(around, 1.0, _WHITE, 1.0)
    canvas.dots(rival, 1.7 + 0.4, _BLACK, 0.8)
    canvas.dots(rival, 1.7 - 0.4, _WHITE, 1.0)
    return canvas.picture


class _Canvas:
    """A picture that lines are drawn on, all at places of a grid."""

    def __init__(self, picture: FloatMap, crop: CropBox, grid: tuple[int, int]) -> None:
        self.picture = picture
        self._height, self._width = picture.shape[0], picture.shape[1]
        self._left, self._top, self._columns = crop.left, crop.top, grid[1]
        width, height = crop.right - crop.left, crop.bottom - crop.top
        self._across, self._down = width / grid[1], height / grid[0]
        # Thinner in a fine grid, so that the colour within is seen.
        self._bold = max(min(width / 180, self._across / 9), 0.8)

    def stroke(self, lines: Sequence[Line], wide: float, colour: int, opacity: float) -> None:
        """Draw lines as one stroke: where two meet it is not drawn twice."""
        half = wide * self._bold / 2
        drawn = np.zeros((self._height, self._width), dtype=np.float32)
        for x, y, right, bottom in lines:
            columns, shares = _covered(self._x(x) - half, self._x(right) + half, self._width)
            rows, parts = _covered(self._y(y) - half, self._y(bottom) + half, self._height)
            here = drawn[rows, columns]
            np.maximum(here, parts[:, None] * shares[None], out=here)
        self._cover(drawn, colour, opacity)

    def dots(self, regions: Sequence[int], radius: float, colour: int, opacity: float) -> None:
        """Draw a disc in the middle of each region."""
        radius *= self._bold
        drawn = np.zeros((self._height, self._width), dtype=np.float32)
        for region in regions:
            row, column = divmod(region, self._columns)
            x, y = self._x(column + 0.5), self._y(row + 0.5)
            columns, _ = _covered(x - radius - 1, x + radius + 1, self._width)
            rows, _ = _covered(y - radius - 1, y + radius + 1, self._height)
            down, across = np.ogrid[rows, columns]
            here = drawn[rows, columns]
            np.maximum(here, np.clip(radius + 0.5 - np.hypot(down + 0.5 - y, across + 0.5 - x), 0, 1), out=here)
        self._cover(drawn, colour, opacity)

    def _x(self, column: float) -> float:
        return self._left + column * self._across

    def _y(self, row: float) -> float:
        return self._top + row * self._down

    def _cover(self, drawn: FloatMap, colour: int, opacity: float) -> None:
        weight = np.float32(opacity) * drawn[..., None]
        self.picture = self.picture * (1 - weight) + colour * weight


def _covered(low: float, high: float, size: int) -> tuple[slice, FloatMap]:
    """The pixels of a row that lie between two places, and the share of each."""
    first, last = min(max(int(np.floor(low)), 0), size), min(max(int(np.ceil(high)), 0), size)
    pixels = np.arange(first, last)
    return slice(first, last), np.clip(np.minimum(pixels + 1, high) - np.maximum(pixels, low), 0, 1).astype(np.float32)
