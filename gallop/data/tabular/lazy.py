"""Images and class names by their row, of which none is decoded before it is needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from gallop.data.labelled import LabelledPhotos, check_shots
from gallop.errors import DataError, ImageError
from gallop.images import Photo, load_image


class LazyImages(Sequence[Photo]):
    """Images of a data set, each decoded whenever it is asked for; a slice decodes nothing.

    Args:
        image: gives that of a row, as ``load_image`` takes it.
        numbers: of the rows.
    """

    def __init__(self, image: Callable[[int], Any], numbers: Sequence[int]) -> None:
        self._image, self._numbers = image, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> Photo: ...
    @overload
    def __getitem__(self, at: slice) -> LazyImages: ...
    def __getitem__(self, at: int | slice) -> Photo | LazyImages:
        if isinstance(at, slice):
            return LazyImages(self._image, self._numbers[at])
        return decoded_row(self._image, self._numbers[at])


@dataclass(frozen=True)
class Rows:
    """Rows with class names.

    Attributes:
        image: gives the image of a row, as ``load_image`` takes it, or as columns hold it that are not decoded.
        names: n class names.
        numbers: n rows; what messages, and the names of photos, call them by.
    """

    image: Callable[[int], Any]
    names: Sequence[str]
    numbers: Sequence[int]

    def lazily(self) -> LazyImages:
        """Return the images, each decoded whenever it is asked for."""
        return LazyImages(self.image, self.numbers)

    def opened(self) -> LabelledPhotos:
        """Return all photos in memory; the classes are in the order in which they first come.

        Raises:
            DataError: no readable image.
        """
        return _in_memory(((i, name, self.image) for i, name in zip(self.numbers, self.names, strict=True)))

    def drawn(self, shots: int | None, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
        """Return so many photos of each class in memory, or all of them for None.

        They are drawn by a hash of the seed and the row's number, so that only what is drawn is decoded; where an image
        cannot be read, or is there already, the next row of its class takes its place.

        Raises:
            DataError: no readable image, or a class that has fewer (with ``allow_fewer`` what is there is taken).
        """
        if shots is None:
            return self.opened()
        check_shots(shots)
        members: dict[str, list[int]] = {}
        for i, name in zip(self.numbers, self.names, strict=True):
            members.setdefault(name, []).append(i)
        for name, rows in members.items():
            if len(rows) < shots and not allow_fewer:
                raise DataError(_too_few(name, len(rows), shots))
            rows.sort(key=lambda i: hashlib.sha256(f"{seed}|{i}".encode()).digest())
        return self._first_readable(members, shots, allow_fewer)

    def _first_readable(self, members: Mapping[str, Sequence[int]], shots: int, allow_fewer: bool) -> LabelledPhotos:
        found = _Found()
        for name, rows in members.items():
            before = len(found.photos)
            for i in rows:
                if len(found.photos) - before == shots:
                    break
                found.take(i, name, self.image, twice=False)
            taken = len(found.photos) - before
            if taken < (1 if allow_fewer else shots):
                raise DataError(_too_few(name, taken, shots))
        return found.labelled(len(self.names))


def _too_few(name: str, count: int, shots: int) -> str:
    return (
        f"The class {name!r} has {count} images, but {shots} shots were asked for. Ask for fewer shots, or allow fewer "
        "(allow_fewer=True)."
    )


class _Found:
    """Photos as they are decoded, and rows that cannot be."""

    def __init__(self) -> None:
        self.photos: list[Photo] = []
        self.names: list[str] = []
        self.skipped: list[tuple[Path | int, str]] = []
        self._seen: set[str] = set()

    def take(self, i: int, name: str, image: Callable[[int], Any], *, twice: bool) -> None:
        try:
            photo = decoded_row(image, i)
        except ImageError as error:
            self.skipped.append((i, str(error)))
            return
        if twice or photo.sha256 not in self._seen:
            self._seen.add(photo.sha256)
            self.photos.append(photo)
            self.names.append(name)

    def labelled(self, count: int) -> LabelledPhotos:
        if not self.photos:
            why = self.skipped[0][1] if self.skipped else "no rows"
            raise DataError(f"None of {count} images can be read; the first: {why}")
        class_names = tuple(dict.fromkeys(self.names))
        labels = tuple(map(class_names.index, self.names))
        hashes = tuple(photo.sha256 for photo in self.photos)
        return LabelledPhotos(tuple(self.photos), hashes, labels, class_names, tuple(self.skipped))


def _in_memory(rows: Iterable[tuple[int, str, Callable[[int], Any]]]) -> LabelledPhotos:
    found, count = _Found(), 0
    for i, name, image in rows:
        found.take(i, name, image, twice=True)
        count += 1
    return found.labelled(count)


def decoded_row(image: Callable[[int], Any], row: int) -> Photo:
    """Return the photo of a row, which messages call by its number.

    Raises:
        ImageError: it cannot be read.
    """
    return load_image(_picture(image(row)), name=f"row {row}")


def _picture(value: Any) -> Any:
    """An image as ``load_image`` takes it: columns that are not decoded hold bytes, or the path of a file."""
    if isinstance(value, Mapping):
        return value.get("bytes") or value.get("path") or b""
    return value
