"""Uploads to photos: a verdict for every file, shrunk pictures kept, uploads dropped. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from gallop import Photo, load_image
from gallop.images import ImageError

SHOWN_SIDE = 1024
"""Longest side, in pixels, of a photo to look at."""
SHOT_SIDE = 512
"""Longest side of a photo to learn from; the model sees crops of 224."""
MAX_PHOTOS = 60
MAX_SHOTS = 64
"""Photos kept to look at, and photos to learn from in one class: they lie in memory."""


@dataclass(frozen=True)
class Verdicts:
    """What became of some files: photos taken, and a sentence for each one that was not (with the file's name)."""

    taken: tuple[Photo, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass
class Shelf:
    """Photos by content, in the order they came."""

    side: int
    most: int
    photos: dict[str, Photo] = field(default_factory=dict)

    def add(self, files: Iterable[Any], taken_elsewhere: Mapping[str, str] | None = None) -> Verdicts:
        """Check, shrink and keep files.

        Args:
            files: whatever ``load_image`` takes, with a name.
            taken_elsewhere: where a picture is already used, by content: the same picture in two classes teaches
                nothing.
        """
        taken, refused = [], []
        for file in files:
            try:
                photo = shrink(load_image(file), self.side)
            except ImageError as error:
                refused.append(str(error))
                continue
            elsewhere = (taken_elsewhere or {}).get(photo.sha256)
            if elsewhere is not None:
                refused.append(f"{photo.name} is already among the photos of {elsewhere!r}; one photo, one class.")
            elif photo.sha256 in self.photos:
                refused.append(f"{photo.name} is here already; the same picture twice adds nothing.")
            elif len(self.photos) >= self.most:
                refused.append(
                    f"{photo.name} does not fit: {self.most} photos are the most here. Take some away first."
                )
            else:
                photo = Photo(photo.image, self._free_name(photo.name), photo.sha256)
                self.photos[photo.sha256] = photo
                taken.append(photo)
        return Verdicts(tuple(taken), tuple(refused))

    def _free_name(self, name: str) -> str:
        """Phones call every photo image.jpg; two photos need two names."""
        used = {photo.name for photo in self.photos.values()}
        number, free = 1, name
        while free in used:
            number += 1
            free = f"{name} ({number})"
        return free


def shrink(photo: Photo, side: int) -> Photo:
    """The photo with its longest side at most ``side``; its name stays."""
    if max(photo.image.size) <= side:
        return photo
    small = photo.image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return load_image(small, name=photo.name)
