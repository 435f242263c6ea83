"""Photos of a visitor in memory: how much there may be, uploads checked and shrunk, thumbnails. Knows no Streamlit."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from PIL import Image, ImageOps

from app import options
from app.text import size_in_words
from gallop import Photo, load_image
from gallop.errors import ImageError
from gallop.images.file_types import printable_name
from gallop.maps.shown_photo import picture_url


def allowed() -> int:
    return options.started.visitor_memory


def no_room(name: str, size: int, held: int) -> str:
    """Return why there is no room for a file or photo, as a sentence; empty where there is.

    Args:
        held: bytes that its visitor uses already.
    """
    if held + size <= allowed():
        return ""
    return (
        f"{name} does not fit: it takes {size_in_words(size)}, you already use {size_in_words(held)}, and the limit "
        f"for one visitor is {size_in_words(allowed())}. Remove photos first, or ask whoever started the app to raise "
        "--visitor-memory."
    )


def strip(photos: Sequence[Photo], *, side: int = 64, most: int = 8) -> bytes:
    """Return the first few photos side by side, each cropped to a square, as a JPEG."""
    shown = photos[:most]
    picture = Image.new("RGB", (side * len(shown), side))
    for place, photo in enumerate(shown):
        picture.paste(ImageOps.fit(photo.image, (side, side)), (place * side, 0))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def thumbnail_url(picture: Image.Image, size: tuple[int, int] = (144, 96)) -> str:
    """Return a picture, cropped to this shape, as a JPEG in a data URL."""
    return picture_url(ImageOps.fit(picture, size, Image.Resampling.BILINEAR), "JPEG", quality=80)


# Measured on 932 photos: saved again or smaller, up to 25 of the 256 bits change; two photos differ in 37 or more.
_OUTLINE, ALIKE_BITS = 16, 24
# Pictures in use, by content hash.
_pictures: WeakValueDictionary[str, Image.Image] = WeakValueDictionary()


@dataclass(frozen=True)
class Verdicts:
    """The result of adding files: the accepted photos, a sentence for each refused file (with its name), and a sentence
    for each accepted photo that looks like another.

    Attributes:
        left_out: the classes for which there is no room.
    """

    taken: tuple[Photo, ...] = ()
    refused: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __add__(self, other: Verdicts) -> Verdicts:
        return Verdicts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


@dataclass
class Shelf:
    """Photos by content, in the order they came.

    Attributes:
        fits: why there is no room for a photo in what its visitor may have, as a sentence; empty where there is.
    """

    side: int
    most: int
    photos: dict[str, Photo] = field(default_factory=dict)
    fits: Callable[[Photo], str] = lambda photo: ""

    def add(self, files: Iterable[Any]) -> Verdicts:
        """Check, shrink and add files: anything that ``load_image`` takes, with a name."""
        taken, refused = [], []
        for file in files:
            if len(self.photos) >= self.most:  # before it is decoded: of thousands dropped at once, most find no place
                name = printable_name(str(getattr(file, "name", "") or "The photo"))
                refused.append(f"{name} does not fit: the limit here is {self.most} photos. Remove some first.")
                continue
            try:
                photo = small(file, self.side)
            except ImageError as error:
                refused.append(str(error))
                continue
            if photo.sha256 in self.photos:
                refused.append(f"{photo.name} is already here. The same picture twice adds nothing.")
            elif problem := self.fits(photo):
                refused.append(problem)
            else:
                name = free_name(photo.name, {other.name for other in self.photos.values()})
                photo = Photo(photo.image, name, photo.sha256)
                self.photos[photo.sha256] = photo
                taken.append(photo)
        return Verdicts(tuple(taken), tuple(refused))


def size_of(photo: Photo) -> int:
    """Return the bytes that a photo takes in memory: four for each pixel, as Pillow stores colours."""
    return 4 * photo.width * photo.height


def free_name(name: str, used: Collection[str]) -> str:
    """Return a name that is not used yet: phones call every photo image.jpg."""
    number, free = 1, name
    while free in used:
        number += 1
        free = f"{name} ({number})"
    return free


def small(source: Any, side: int, name: str | None = None) -> Photo:
    """Return a photo with its longest side at most ``side`` pixels.

    Raises:
        ImageError: as ``load_image``.
    """
    photo = load_image(source, name=name)
    if max(photo.image.size) > side:
        shrunk = photo.image.copy()
        shrunk.thumbnail((side, side), Image.Resampling.LANCZOS)
        photo = load_image(shrunk, name=photo.name)
    return in_memory_once(photo)


def in_memory_once(photo: Photo) -> Photo:
    """Return the photo with the picture of the same content that is already in memory, for any visitor.

    Runs, changes that can be undone and all visitors of the sample use the same pictures, which are never changed.
    """
    picture = _pictures.setdefault(photo.sha256, photo.image)
    return photo if picture is photo.image else Photo(picture, photo.name, photo.sha256)


def outline(photo: Photo) -> int:
    """Return a difference hash: for each of 16 x 16 places, whether it is brighter than the one to its left."""
    grey = np.asarray(photo.image.convert("L").resize((_OUTLINE + 1, _OUTLINE), Image.Resampling.BOX)).astype(int)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


def alike(first: int, second: int) -> bool:
    """Return whether two outlines are of nearly the same picture, as after saving it again or in another size."""
    return (first ^ second).bit_count() <= ALIKE_BITS
