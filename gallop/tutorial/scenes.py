"""Photos made of photos: another domain, a thing cut out by its mask, a thing put into another photo."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from gallop.images import Photo, load_image
from gallop.sample import SamplePhoto, sample_mask, sample_photos

DOMAINS = ("blur", "sketch", "dark")


def domain(photo: Photo, kind: str) -> Photo:
    """The same photo as another domain: out of focus ("blur"), as a pencil drawing ("sketch"), or at dusk ("dark")."""
    image = photo.image
    if kind == "blur":
        image = image.filter(ImageFilter.GaussianBlur(min(image.size) / 50))
    elif kind == "sketch":
        # A pencil: grey, divided by its own blurred light, so that only edges stay dark.
        grey = ImageOps.grayscale(image)
        soft = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(min(image.size) / 50))
        image = Image.merge("RGB", [_dodge(grey, soft)] * 3)
    elif kind == "dark":
        image = ImageChops.multiply(
            ImageEnhance.Brightness(image).enhance(0.35), Image.new("RGB", image.size, "#ccd4ff")
        )
    else:
        raise ValueError(f"There is no domain {kind!r}; there are {', '.join(DOMAINS)}.")
    return load_image(image, name=f"{photo.name}, {kind}")


def _dodge(grey: Image.Image, soft: Image.Image) -> Image.Image:
    light = np.asarray(grey, np.float32) * 255 / np.maximum(255 - np.asarray(soft, np.float32), 1)
    return Image.fromarray(np.minimum(light, 255).astype(np.uint8))


@cache
def _sample() -> dict[str, SamplePhoto]:
    """The photos of the sample by their content, so that a photo may come from anywhere."""
    return {load_image(photo.path).sha256: photo for photo in sample_photos()}


def thing_mask(photo: Photo) -> NDArray[np.bool_] | None:
    """Return where the thing is, (height, width) of the photo, or None: it is known of the sample's photos alone."""
    known = _sample().get(photo.sha256)
    return None if known is None else sample_mask(known)


def cut_out(photo: Photo) -> tuple[Image.Image, Image.Image]:
    """Return a thing and its mask, both as small as they can be; of a photo without a mask, the middle half of it."""
    mask = thing_mask(photo)
    if mask is None:
        mask = np.zeros((photo.height, photo.width), dtype=bool)
        mask[photo.height // 4 : -(photo.height // 4), photo.width // 4 : -(photo.width // 4)] = True
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return photo.image.crop(box), Image.fromarray(np.uint8(255 * mask), "L").crop(box)


def with_thing(
    background: Photo, other: Photo, share: float, *, right: bool = False
) -> tuple[Photo, NDArray[np.bool_]]:
    """Put the thing of another photo into a lower corner.

    Args:
        share: its longer side, as a part of the side of the square that the background becomes.
        right: the corner.

    Returns:
        the photo, square, and where the thing is on it, (side, side).
    """
    side = min(background.width, background.height)
    scene = ImageOps.fit(background.image, (side, side))
    thing, mask = cut_out(other)
    factor = share * side / max(thing.size)
    width, height = (max(round(length * factor), 1) for length in thing.size)
    thing, mask = thing.resize((width, height)), mask.resize((width, height))
    corner = (side - width if right else 0), side - height
    scene.paste(thing, corner, mask)
    where = Image.new("L", scene.size)
    where.paste(mask, corner)
    return load_image(scene, name=f"{background.name} with {other.name}"), np.asarray(where) > 127
