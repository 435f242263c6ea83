"""Photos with labels, whose content is known: what every source of data gives, and what a training learns from."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import SupportsIndex, TypeVar

from typing_extensions import Self

from gallop.errors import DataError, ImageError
from gallop.images import Photo, load_image
from gallop.wording import listed

PhotoSource = Photo | Path
"""A photo in memory, or a file that is read again whenever it is needed, so that a large folder fits."""

Place = TypeVar("Place", Path, int)
ContentHash = Callable[[Path], str]
"""What gives the hash of a file's picture: ``content_hash``, or something that remembers its results."""
_MOST_NAMED = 5


def content_hash(path: Path) -> str:
    """Return the hash of the decoded picture of a file.

    Raises:
        ImageError: it is not a readable picture.
    """
    return load_image(path).sha256


def in_words(place: Path | int) -> str:
    """Return the name of a file, or of a row of a data set, in a sentence."""
    return f"row {place}" if isinstance(place, int) else str(place)


class Labelled:
    """n labels: indices into K class names."""

    labels: tuple[int, ...]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> list[str]:
        """Return n class names, one for each photo."""
        return [self.class_names[label] for label in self.labels]

    def unlabelled(self) -> Self:
        """Return the photos as things that belong to no class: all have one, which has no name."""
        return replace(self, labels=(0,) * len(self), class_names=("",))  # type: ignore[type-var]

    def in_order_of_draw(
        self, keys: Sequence[object], shots: int, *, seed: int, allow_fewer: bool, place: str = ""
    ) -> list[list[int]]:
        """Return the indices of each class's photos, ordered by a hash of the seed and the photo's key.

        Args:
            keys: n; the same keys give the same draw, and a draw of fewer shots is part of one of more.
            place: where the photos are, for messages.

        Raises:
            DataError: an invalid number of shots, or a class with too few photos.
        """
        if not isinstance(shots, SupportsIndex):
            raise DataError(f"shots is {shots!r}; it must be an integer.")
        if shots < 1:
            raise DataError(f"{shots} shots were requested; the minimum is 1.")
        members: list[list[int]] = [[] for _ in self.class_names]
        for i, label in enumerate(self.labels):
            members[label].append(i)
        for name, indices in zip(self.class_names, members, strict=True):
            check_enough(name, len(indices), shots, allow_fewer, place)
            indices.sort(key=lambda i: hashlib.sha256(f"{seed}|{keys[i]}".encode()).digest())
        return members


def check_enough(name: str, count: int, shots: int, allow_fewer: bool, place: str, why: str = "") -> None:
    """Raise DataError where a class has fewer photos than shots, or with ``allow_fewer`` none.

    Args:
        why: why others were left out.
    """
    images = f"{'usable ' if why else ''}images{why}{place}"
    if not count:
        raise DataError(
            f"The class {name!r} has no {images}: none can be read, or all have already been drawn. Add "
            "images, or remove the class."
        )
    if count < shots and not allow_fewer:
        raise DataError(
            f"The class {name!r} has {count} {images}, but {shots} shots were requested. Add images, request fewer "
            "shots, or allow fewer (allow_fewer=True)."
        )


@dataclass(frozen=True)
class LabelledPhotos(Labelled):
    """Photos with labels.

    Attributes:
        photos: n photos, in memory or as files.
        hashes: n content hashes of the decoded pictures.
        labels: n indices into ``class_names``.
        class_names: K names.
        skipped: files, or rows of a table, that could not be read, with the reason.
        copies: pairs of a photo and one of the same picture that is left out, where they were read from files.
        groups: n sittings, where they are known: photos of one say no more about others than one does. Else none.
    """

    photos: tuple[PhotoSource, ...]
    hashes: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    skipped: tuple[tuple[Path | int, str], ...] = ()
    copies: tuple[tuple[PhotoSource, PhotoSource], ...] = ()
    groups: tuple[Hashable, ...] = ()

    def __repr__(self) -> str:
        classes = f"{len(self.class_names)} classes: {reprlib.repr(self.class_names)}"
        return f"LabelledPhotos({len(self.photos)} photos of {classes}, {len(self.skipped)} skipped)"

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the photos that are files: all of them, or of photos in memory none."""
        return tuple(photo for photo in self.photos if isinstance(photo, Path))

    @cached_property
    def fingerprint(self) -> str:
        """Return ``data_fingerprint`` of photos and labels."""
        return data_fingerprint(self.hashes, self.names)

    def take(self, indices: Sequence[int]) -> LabelledPhotos:
        """Return the chosen photos, with the same class list."""
        return replace(
            self,
            photos=tuple(self.photos[i] for i in indices),
            hashes=tuple(self.hashes[i] for i in indices),
            labels=tuple(self.labels[i] for i in indices),
            groups=tuple(self.groups[i] for i in indices if self.groups),
        )

    def left_over(self, drawn: LabelledPhotos) -> LabelledPhotos:
        """Return the photos whose pictures were not drawn, with the same class list: what there is to test with.

        Raises:
            DataError: classes of which nothing is left.
        """
        known = set(drawn.hashes)
        left = self.take([i for i, digest in enumerate(self.hashes) if digest not in known])
        empty = [self.class_names[label] for label in sorted({*self.labels} - {*left.labels})]
        if empty:
            raise DataError(
                f"All photos of {listed(empty)} were drawn for training, so none are left for testing. Draw fewer "
                "shots, add photos, or put the test photos into a separate folder (train/ and test/)."
            )
        return left

    def draw(self, shots: int, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
        """Return exactly ``shots`` photos of each class.

        The draw orders the pictures by a hash of the seed and their content, so it does not depend on file names or on
        the order of a folder, and a draw of fewer shots is part of a draw of more.

        Raises:
            DataError: a class with fewer photos (with ``allow_fewer`` what is there is taken), or one with none.
        """
        ordered = self.in_order_of_draw(self.hashes, shots, seed=seed, allow_fewer=allow_fewer)
        return self.take([i for members in ordered for i in members[:shots]])


def data_fingerprint(hashes: Sequence[str], labels: Sequence[str]) -> str:
    """Return SHA-256 over pictures and labels, whatever their order: equal for trainings that saw the same shots."""
    lines = sorted(f"{digest} {label}" for digest, label in zip(hashes, labels, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_files(
    files: Iterable[tuple[Path, str, str]], class_names: tuple[str, ...], content: ContentHash
) -> LabelledPhotos:
    """Return the files that are readable images, in the order of their classes; a picture counts once.

    Args:
        files: path, class name, and text that follows the path in messages.
        class_names: K names, among them those of all files.

    Raises:
        DataError: one picture in two classes.
    """
    photos = read_photos(files, class_names, lambda path: (path, content(path)))
    return photos.take(sorted(range(len(photos)), key=photos.labels.__getitem__))


def read_photos(
    rows: Iterable[tuple[Place, str, str]],
    class_names: Iterable[str],
    opened: Callable[[Place], tuple[PhotoSource, str]],
) -> LabelledPhotos:
    """Return the photos that can be read, in their order; a picture counts once.

    Args:
        rows: the place of each photo, its class name, and text that follows the place in messages; what is named twice
            is opened once.
        class_names: K names, among them those of all rows.
        opened: gives the photo in a place and the hash of its picture, or raises ImageError.

    Raises:
        DataError: one picture in two classes.
    """
    once, skipped = cache(opened), list[tuple[Path | int, str]]()

    def readable() -> Iterator[tuple[PhotoSource, str, str, str]]:
        for place, name, remark in rows:
            try:
                photo, digest = once(place)
                yield photo, name, digest, f"{in_words(place)}{remark}"
            except ImageError as error:
                skipped.append((place, f"{error}{remark}"))

    return _gathered(readable(), class_names, skipped)


def distinct_photos(
    photos: Sequence[PhotoSource],
    names: Sequence[str],
    hashes: Iterable[str] | None = None,
    class_names: Sequence[str] | None = None,
    skipped: Sequence[tuple[Path | int, str]] = (),
) -> LabelledPhotos:
    """Return photos with class names, each picture once: a second copy could be held out from the first.

    Args:
        hashes: of the photos, where they are known; else each photo is decoded for its hash.
        class_names: K names, among them those of all photos; None takes the photos' names, in order of appearance.

    Raises:
        DataError: one picture with two class names.
    """
    digests = (load_image(photo).sha256 for photo in photos) if hashes is None else hashes
    places = (str(photo) if isinstance(photo, Path) else f"Image {i}" for i, photo in enumerate(photos, 1))
    return _gathered(zip(photos, names, digests, places, strict=True), class_names or dict.fromkeys(names), skipped)


def _gathered(
    photos: Iterable[tuple[PhotoSource, str, str, str]],
    class_names: Iterable[str],
    skipped: Sequence[tuple[Path | int, str]],
) -> LabelledPhotos:
    """Photos, each with its class name, content hash and place; of equal pictures the first remains."""
    distinct: dict[str, tuple[PhotoSource, str, str]] = {}
    copies, contradictions = list[tuple[PhotoSource, PhotoSource]](), list[str]()
    for photo, name, digest, place in photos:
        first, first_name, first_place = distinct.setdefault(digest, (photo, name, place))
        if isinstance(photo, Path) and photo != first:
            copies.append((first, photo))
        if first_name != name:
            contradictions.append(
                f"{first_place} and {place} are the same picture, but they are labelled {first_name!r} and {name!r}"
            )
    if contradictions:
        more = len(contradictions) - _MOST_NAMED
        others = f"; and {more} more" if more > 0 else ""
        raise DataError(
            f"{'; '.join(contradictions[:_MOST_NAMED])}{others}. Remove one of each pair, or correct the wrong label."
        )
    number = {name: k for k, name in enumerate(class_names)}
    return LabelledPhotos(
        photos=tuple(photo for photo, _, _ in distinct.values()),
        hashes=tuple(distinct),
        labels=tuple(number[name] for _, name, _ in distinct.values()),
        class_names=tuple(number),
        skipped=tuple(skipped),
        copies=tuple(copies),
    )
