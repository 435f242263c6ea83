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
from PIL import Image, ImageDraw

from gallop.images import CropBox
from gallop.maps.map_style import DARKENED, DIMMED, DRAWN, GREYED, Scale, Style, Subject, painted, scale_of
from gallop.predictions.heatmaps import FloatMap, photo_map, region_box

if TYPE_CHECKING:
    from gallop.predictions.explanation import Explanation
else:
    Explanation = Any  # hints can be worked out (typing.get_type_hints) without loading it

MOST_SIDE = 1600
"""Longest side of a picture, in pixels."""
LEAST_SIDE = 200
"""Short side of a picture, in pixels, where the photo has less: outlines would hide it."""
REGION_WIDTH = 192
"""Of the picture of a region, in pixels."""
_SHADE = 0.7
_LIGHT = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Of red, green and blue, in the grey that they become."""
Line = tuple[int, int, int, int]
"""(x, y, x, y), in regions."""


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

    What the model did not see has no map, and is dimmed around a thin frame. Under a map the photo is nearly grey; a
    map of no opacity leaves it its colours.

    Args:
        minus: whose scores are subtracted, as in ``map_panel``; its top-k regions get a dot.
        scale: of the colours; None takes that of this map.
        side: the longest side, in pixels, of a picture of a photo that is larger. A small photo is enlarged.
    """
    style, explanation = style or Style(), subject.explanation
    scores = subject.scores(prompt, minus)
    scale = scale or scale_of([scores], signed=minus is not None)
    pixels, crop = _resized(explanation, side)
    wide = photo_map(scores, crop, (pixels.shape[1], pixels.shape[0]), smooth=style.drawn == DRAWN[0])
    seen = ~np.isnan(wide)
    layer = painted(np.where(seen, wide, scale.low).astype(np.float32), scale, style)
    weight = np.where(seen, layer[..., 3] / np.float32(255), np.float32(0))[..., None]
    if style.opacity:
        grey = (pixels @ _LIGHT)[..., None]
        pixels = np.minimum(GREYED * grey + (1 - GREYED) * pixels, 255) * np.float32(DARKENED)
    mixed = _dimmed(pixels * (1 - weight) + layer[..., :3] * weight, crop)
    return outlined(
        mixed,
        crop,
        explanation.grid,
        regions=subject.top_regions(prompt),
        rival=minus.top_regions(prompt) if minus else (),
    )


def region_picture(photo: Image.Image, region: int, grid: tuple[int, int], crop: CropBox) -> Image.Image:
    """Return a region, outlined, with what is around it: 4 regions high and 6 wide, less where the photo is smaller.

    Args:
        region: its number in a grid of (rows, columns).
        crop: what the model saw, in the photo's pixels.
    """
    box, whole = region_box(region, 0.0, grid, crop), np.array(photo.size)
    start, end = np.array([box.left, box.top]), np.array([box.right, box.bottom])
    size = np.minimum(np.ceil((6, 4) * (end - start)), whole)
    corner = np.clip(start - (2.5, 1.5) * (end - start), 0, whole - size).round()
    (left, top), (right, bottom), scale = corner, corner + size, REGION_WIDTH / size[0]
    drawn = photo.resize(
        (REGION_WIDTH, max(round(size[1] * scale), 1)), Image.Resampling.BILINEAR, box=(left, top, right, bottom)
    )
    for beyond, colour in ((2, "black"), (1, "white")):
        corners = (start - corner) * scale - beyond, (end - corner) * scale + beyond
        ImageDraw.Draw(drawn).rectangle(np.concatenate(corners).tolist(), outline=colour)
    return drawn


def lit_picture(photo: Image.Image, cells: NDArray[np.float32], crop: CropBox) -> Image.Image:
    """Return what the model saw of a photo, darkened but for some cells (rows, columns), which are 1."""
    seen = photo.convert("RGB").resize((REGION_WIDTH, REGION_WIDTH), box=(crop.left, crop.top, crop.right, crop.bottom))
    light = Image.fromarray(np.uint8(255 - (1 - cells) * 255 * _SHADE)).resize(seen.size, Image.Resampling.NEAREST)
    return Image.composite(seen, Image.new("RGB", seen.size), light)


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
        raise ValueError(
            f"{len(explanations)} photos need {len(explanations)} different names; got {len(set(names))} "
            "(folders and suffixes are ignored)."
        )
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    for name, explanation in zip(names, explanations, strict=True):
        for prompt, k in enumerate(explanation.topk):
            paths.append(Path(folder) / f"{name}-local-{prompt + 1}-k-{k}.png")
            map_picture(Subject(explanation, explanation.label), prompt).save(paths[-1])
    return paths


def seen_picture(explanation: Explanation, *, side: int = MOST_SIDE) -> Image.Image:
    """Draw the photo in its colours, with what the model did not see dimmed. RGB."""
    return Image.fromarray(np.rint(_dimmed(*_resized(explanation, side))).astype(np.uint8))


def _resized(explanation: Explanation, side: int) -> tuple[FloatMap, CropBox]:
    """The photo's pixels (height, width, 3) at the size of its picture, and where on it lies what the model saw."""
    photo = explanation.image
    times = min(max(LEAST_SIDE / min(photo.size), 1), side / max(photo.size))
    width, height = (max(round(length * times), 1) for length in photo.size)
    sheet = photo.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(sheet, dtype=np.float32), explanation.crop.scaled(width / photo.width, height / photo.height)


def _dimmed(pixels: FloatMap, crop: CropBox) -> FloatMap:
    height, width, _ = pixels.shape
    left, top, right, bottom = (round(side) for side in (crop.left, crop.top, crop.right, crop.bottom))
    framed = np.full_like(pixels, 255)  # a white line of one pixel around what was seen
    framed[: max(top - 1, 0)] = framed[bottom + 1 :] = framed[:, : max(left - 1, 0)] = framed[:, right + 1 :] = 0
    seen = np.zeros((height, width, 1), dtype=bool)
    seen[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return np.where(seen, pixels, np.maximum(framed, pixels * (1 - DIMMED)))


def borders(regions: Iterable[int], grid: tuple[int, int]) -> tuple[list[Line], list[Line]]:
    """Return the lines around a set of regions, and those within it, between two of them."""
    cells = {divmod(region, grid[1]) for region in regions}
    around, within = list[Line](), list[Line]()
    for y, x in cells:
        for beside, line in (
            ((y - 1, x), (x, y, x + 1, y)),
            ((y, x - 1), (x, y, x, y + 1)),
            ((y + 1, x), (x, y + 1, x + 1, y + 1)),
            ((y, x + 1), (x + 1, y, x + 1, y + 1)),
        ):
            if beside not in cells:
                around.append(line)
            elif beside < (y, x):  # each once
                within.append(line)
    return around, within


def outlined(
    picture: FloatMap, crop: CropBox, grid: tuple[int, int], regions: Sequence[int], rival: Sequence[int] = ()
) -> Image.Image:
    """Return a picture (height, width, 3) with regions outlined and rival regions dotted. RGB.

    Args:
        crop: where the grid lies on the picture, in pixels.
    """
    drawn = Image.fromarray(np.rint(picture).astype(np.uint8))
    rows, columns = grid
    across, down = (crop.right - crop.left) / columns, (crop.bottom - crop.top) / rows
    # Thinner in a fine grid, so that the colour within is seen.
    bold = max(min((crop.right - crop.left) / 180, across / 9), 0.8)
    around, within = borders(regions, grid)
    dots = [(column + 0.5, row + 0.5, column + 0.5, row + 0.5) for row, column in (divmod(r, columns) for r in rival)]
    for lines, width, colour, opacity in (
        (within, 0.5, "white", 0.45),
        (around, 2.4, "black", 0.75),
        (around, 1.0, "white", 1.0),
        (dots, 4.2, "black", 0.8),
        (dots, 2.6, "white", 1.0),
    ):
        wide = max(round(width * bold), 1)
        mask = Image.new("L", drawn.size)  # so that nothing is drawn twice where two lines meet
        pen = ImageDraw.Draw(mask)
        shape = pen.ellipse if lines is dots else pen.rectangle
        for x, y, right, bottom in lines:
            first = [round(crop.left + x * across - wide / 2), round(crop.top + y * down - wide / 2)]
            last = [round(crop.left + right * across - wide / 2), round(crop.top + bottom * down - wide / 2)]
            shape((*first, last[0] + wide - 1, last[1] + wide - 1), fill=round(255 * opacity))
        drawn.paste(colour, mask=mask)
    return drawn
