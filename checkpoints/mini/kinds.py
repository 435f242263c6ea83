"""Kinds of picture made from photos, and free photos to make them from: what context words of `mini` are fitted on.

The photos are the stamps of Debian's package tuxpaint-stamps-default (cut-out things, GPL-2) in front of plain, shaded
and photographed backgrounds (mate-backgrounds, GPL-2+). Nothing of them is kept but how image features move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

__all__ = ["KINDS", "photos"]

SIDE = 256
_NOT_PHOTOGRAPHED = {"symbols", "cartoon", "flags", "roadsigns", "plastic", "seasonal", "naturalforces"}
"""Folders of stamps that are drawings, letters or signs."""
_LEAST = 120
"""Pixels of a stamp's longer side: smaller ones are icons."""

Picture = Image.Image


def photos(stamps: Path, backgrounds: Path, seed: int = 0) -> Iterator[Picture]:
    """Things in front of something, SIDE x SIDE: each stamp once, its background, size and place drawn by ``seed``."""
    draw = Random(seed)
    scenes = [Image.open(path).convert("RGB") for path in sorted((backgrounds / "nature").glob("*.jpg"))]
    for path in sorted(stamps.rglob("*.png")):
        stamp = Image.open(path)
        if _NOT_PHOTOGRAPHED.isdisjoint(path.relative_to(stamps).parts) and max(stamp.size) >= _LEAST:
            yield _in_front(stamp.convert("RGBA"), _background(scenes, draw), draw)


def _background(scenes: list[Picture], draw: Random) -> Picture:
    chance = draw.random()
    if chance < 0.4:
        scene = draw.choice(scenes)
        part = int(min(scene.size) * draw.uniform(0.3, 0.9))
        left, top = (draw.randrange(length - part) for length in scene.size)
        return scene.crop((left, top, left + part, top + part)).resize((SIDE, SIDE))
    tones = [tuple(draw.randrange(60, 256) for _ in range(3)) for _ in range(2)]
    if chance < 0.6:
        tones[0] = (255, 255, 255)
    plain = Image.new("RGB", (SIDE, SIDE), tones[0])
    if chance < 0.8:
        return plain
    return Image.composite(plain, Image.new("RGB", plain.size, tones[1]), Image.linear_gradient("L").resize(plain.size))


def _in_front(stamp: Picture, background: Picture, draw: Random) -> Picture:
    box = stamp.getbbox()
    stamp = stamp.crop(box)
    scale = SIDE * draw.uniform(0.6, 0.95) / max(stamp.size)
    stamp = stamp.resize(tuple(max(1, round(length * scale)) for length in stamp.size))
    place = tuple(draw.randrange(SIDE - length + 1) for length in stamp.size)
    made = background.copy()
    made.paste(stamp, place, stamp)
    return made


def sketch(photo: Picture, draw: Random) -> Picture:
    """Dark lines on white where brightness changes, thin or soft as of a pencil."""
    grey = ImageOps.grayscale(photo).filter(ImageFilter.GaussianBlur(draw.uniform(0.5, 1.5)))
    around = grey.filter(ImageFilter.GaussianBlur(draw.uniform(2, 6)))
    lines = np.asarray(grey, np.float32) / np.maximum(np.asarray(around, np.float32), 1)
    steep = draw.uniform(4, 12)
    page = 255 * np.clip(1 + steep * (lines - 0.98), 0, 1)
    return Image.fromarray(page.astype(np.uint8)).convert("RGB")


def black_and_white(photo: Picture, draw: Random) -> Picture:
    """The photo without colours, each channel counting anything, with more or less contrast."""
    first, second = draw.random(), draw.random()
    grey = Image.blend(Image.blend(*photo.split()[:2], first), photo.split()[2], second * 0.6)
    return Image.blend(grey, ImageOps.autocontrast(grey, cutoff=2), draw.uniform(0, 1)).convert("RGB")


def blurry(photo: Picture, draw: Random) -> Picture:
    """The photo out of focus."""
    return photo.filter(ImageFilter.GaussianBlur(draw.uniform(3, 8)))


def close_up(photo: Picture, draw: Random) -> Picture:
    """A fifth to two fifths of the photo's side, from its middle half."""
    part = int(SIDE * draw.uniform(0.2, 0.4))
    left, top = (draw.randrange(SIDE // 4, 3 * SIDE // 4 - part + 1) if part < SIDE // 2 else 0 for _ in range(2))
    return photo.crop((left, top, left + part, top + part)).resize(photo.size, Image.Resampling.BICUBIC)


def _ground(photo: Picture) -> Picture:
    """What could lie around the photo: its border, spread and smoothed."""
    border = np.concatenate([np.asarray(photo)[side] for side in (0, -1)])
    tone = tuple(int(value) for value in np.median(border, axis=0))
    return Image.new("RGB", photo.size, tone)


def far_away(photo: Picture, draw: Random) -> Picture:
    """The photo at a quarter to two fifths of its side, in a plain place of the tone of its border."""
    side = int(SIDE * draw.uniform(0.2, 0.4))
    made = _ground(photo)
    made.paste(photo.resize((side, side), Image.Resampling.LANCZOS), tuple(draw.randrange(SIDE - side) for _ in "xy"))
    return made


def dark(photo: Picture, draw: Random) -> Picture:
    """A tenth to two fifths of the light, shadows sometimes deeper than that."""
    light, gamma = draw.uniform(0.1, 0.4), draw.choice((1, 1, 1.5))
    return photo.point(lambda value: round(255 * light * (value / 255) ** gamma))


def flat(photo: Picture, draw: Random) -> Picture:
    """A few flat colours without detail, as of a poster: of the whole photo, or a few levels of each channel."""
    smooth = photo.filter(ImageFilter.MedianFilter(draw.choice((3, 5, 7, 9))))
    if draw.random() < 0.5:
        few = smooth.quantize(draw.randint(4, 10), method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        return few.convert("RGB")
    steps = draw.choice((2, 3, 4)) - 1
    strong = ImageEnhance.Color(smooth).enhance(draw.uniform(1, 2))
    return strong.point(lambda value: round(value / 255 * steps) * 255 // steps)


def several(photo: Picture, draw: Random) -> Picture:
    """The thing three to twelve times: in rows, or anywhere in front of the tone of its border, partly hidden."""
    if draw.random() < 0.4:
        across, down = draw.choice(((2, 2), (3, 3), (3, 2), (4, 3), (3, 1)))
        made = Image.new("RGB", (SIDE, SIDE))
        width, height = -(-SIDE // across), -(-SIDE // down)
        for place in range(across * down):
            one = ImageOps.fit(photo, (width, height))
            one = ImageOps.mirror(one) if draw.random() < 0.5 else one
            made.paste(one, (place % across * width, place // across * height))
        return made
    made = _ground(photo)
    for _ in range(draw.randint(4, 8)):
        side = int(SIDE * draw.uniform(0.25, 0.5))
        one = photo.resize((side, side), Image.Resampling.LANCZOS)
        made.paste(one, tuple(draw.randrange(SIDE - side) for _ in "xy"))
    return made


KINDS: dict[str, Callable[[Picture, Random], Picture]] = {
    "sketch": sketch,
    "black and white": black_and_white,
    "blurry": blurry,
    "close-up": close_up,
    "far away": far_away,
    "dark": dark,
    "poster": flat,
    "several": several,
}
