"""Labelled images that are not opened yet: listed files, and the rows of tables and data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from gallop.data.labelled import (
    Labelled,
    LabelledPhotos,
    PhotoSource,
    check_enough,
    data_fingerprint,
    in_words,
    read_photos,
)
from gallop.errors import DataError, ImageError
from gallop.images import Photo, load_image


def _draw(
    data: Labelled,
    keys: Sequence[object],
    place: Callable[[int], Path | int],
    opened: Callable[[int], tuple[PhotoSource, str]],
    shots: int,
    *,
    seed: int,
    allow_fewer: bool,
    where: str = "",
) -> LabelledPhotos:
    """Draw exactly ``shots`` images of each class, and open nothing else. An image that cannot be read, or a picture
    that has been drawn already, is added to ``skipped``, and the next of its class is drawn instead.

    Args:
        keys, place: of image i what orders the draw, and what messages and ``skipped`` call it.
        opened: gives image i as ``LabelledPhotos`` has it, and the hash of its picture, or raises ImageError.
        where: text that follows a number of images in messages.
    """
    waiting = data.in_order_of_draw(keys, shots, seed=seed, allow_fewer=allow_fewer, place=where)
    first, skipped = dict[str, int](), dict[int, str]()

    def readable(indices: Sequence[int]) -> Iterator[tuple[int, PhotoSource, str]]:
        for i in indices:
            try:
                photo, digest = opened(i)
                if (same := first.setdefault(digest, i)) != i:
                    raise ImageError(f"{in_words(place(i))} is the same picture as {in_words(place(same))}.")
                yield i, photo, digest
            except ImageError as error:
                skipped[i] = str(error)

    drawn = [(readable(indices), list[tuple[int, PhotoSource, str]]()) for indices in waiting]
    # Shot by shot through all classes, so that more shots change none of the first.
    for _ in range(min(shots, max(map(len, waiting), default=0))):
        for images, chosen in drawn:
            chosen += islice(images, 1)
    for label, (_, chosen) in enumerate(drawn):
        others = (why for i, why in skipped.items() if data.labels[i] == label)
        left_out = "".join(f" (others were skipped, for example: {why.rstrip('.')})" for why in islice(others, 1))
        check_enough(data.class_names[label], len(chosen), shots, allow_fewer, where, left_out)
    taken = [image for _, chosen in drawn for image in chosen]
    return LabelledPhotos(
        photos=tuple(photo for _, photo, _ in taken),
        hashes=tuple(digest for _, _, digest in taken),
        labels=tuple(data.labels[i] for i, _, _ in taken),
        class_names=data.class_names,
        skipped=tuple((place(i), why) for i, why in skipped.items()),
    )


@dataclass(frozen=True)
class Listing(Labelled):
    """Labelled files that are not opened yet: ``LabelledPhotos`` know the content of every picture, a listing its name.

    This is why there are two types. ImageNet has 1.3 million files; to decode them all for 16 a class would take hours.
    So ``draw`` orders the files of each class by a hash of the seed and the path below ``root``, and opens those it
    draws: a different draw from that of the same photos when their content is known, with a different fingerprint.

    Attributes:
        root: folder of the photos.
        files: n paths below it, with ``/`` on every system.
        labels: n indices into ``class_names``.
        class_names: K names, all different.
    """

    root: Path
    files: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return n files, made again at every call."""
        return tuple(self.root / file for file in self.files)

    @cached_property
    def fingerprint(self) -> str:
        """Return SHA-256 over files below ``root`` and labels, whatever their order; marked as that of a listing."""
        return f"listed {data_fingerprint(self.files, self.names)}"

    def draw(self, shots: int, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
        """Return exactly ``shots`` images of each class. Only what is drawn is opened, and it comes with its hashes.

        The draw depends on the seed and on the paths below ``root`` alone, so it is the same on every machine, and a
        draw of fewer shots is part of a draw of more. A file that is not a readable image, or a picture that has been
        drawn already, is added to ``skipped``, and the next of its class is drawn instead.

        Raises:
            DataError: a class with fewer images (with ``allow_fewer`` what is there is taken), or one with none.
        """
        if not self.files:
            raise DataError(f"{self.root} contains no images to draw shots from.")

        def path(i: int) -> Path:
            return self.root / self.files[i]

        def opened(i: int) -> tuple[Path, str]:
            return path(i), load_image(path(i)).sha256

        return _draw(
            self, self.files, path, opened, shots, seed=seed, allow_fewer=allow_fewer, where=f" in {self.root}"
        )


class LazyImages(Sequence[Photo]):
    """Images of a data set, each decoded whenever it is asked for; a slice decodes nothing.

    Args:
        image: gives that of a row, as ``load_image`` takes it, or as columns hold it that are not decoded: a dict of
            bytes, or of the path of a file. Messages call it by its row.
        numbers: of the rows.
    """

    def __init__(self, image: Callable[[int], Any], numbers: Sequence[int]) -> None:
        self.image, self.numbers = image, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return LazyImages(self.image, self.numbers[at])
        image = self.image(self.numbers[at])
        if isinstance(image, Mapping):
            image = image.get("bytes") or image.get("path") or b""
        return load_image(image, name=f"row {self.numbers[at]}")

    def take(self, chosen: Sequence[int]) -> LazyImages:
        """Return some of the images, by their indices."""
        return LazyImages(self.image, [self.numbers[i] for i in chosen])


class Rows(Labelled):
    """Images with class names, in rows; the classes are in the order in which they first come.

    Args:
        photos: n; messages, and the names of photos, call them by their row.
        names: n class names.
    """

    def __init__(self, photos: LazyImages, names: Sequence[str]) -> None:
        self.photos, self.numbers = photos, photos.numbers
        self.class_names = tuple(dict.fromkeys(names))
        number = {name: k for k, name in enumerate(self.class_names)}
        self.labels = tuple(number[name] for name in names)

    def draw(self, shots: int | None, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
        """Return so many photos of each class in memory, or all of them for None, in the order of the rows.

        They are drawn by a hash of the seed and the row's number, so that only what is drawn is decoded; where an image
        cannot be read, or has been drawn already, the next row of its class takes its place.

        Raises:
            DataError: no readable image, one picture in two classes, or a class that has fewer (with ``allow_fewer``
            what is there is taken).
        """

        def opened(i: int) -> tuple[Photo, str]:
            photo = self.photos[i]
            return photo, photo.sha256

        if shots is not None:
            return _draw(
                self, self.numbers, self.numbers.__getitem__, opened, shots, seed=seed, allow_fewer=allow_fewer
            )
        place = {number: i for i, number in enumerate(self.numbers)}
        rows = zip(self.numbers, self.names, [""] * len(self), strict=True)
        data = read_photos(rows, self.class_names, lambda number: opened(place[number]))
        if not data.photos:
            raise DataError(f"None of the {len(self)} images could be read. First error: {data.skipped[0][1]}")
        return data
