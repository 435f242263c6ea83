"""Photos with labels, whose content is known: what every source of data gives, and what a training learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import SupportsIndex

from gallop.errors import DataError
from gallop.images import Photo, load_image
from gallop.wording import listed

PhotoSource = Photo | Path
"""A photo in memory, or a file that is read again whenever it is needed, so that a large folder fits."""

ContentHash = Callable[[Path], str]
"""What tells the content of a file: ``content_hash``, or something that remembers what it has told."""


def content_hash(path: Path) -> str:
    """Return the hash of the decoded picture of a file.

    Raises:
        ImageError: it is no picture that can be read.
    """
    return load_image(path).sha256


@dataclass(frozen=True)
class LabelledPhotos:
    """Photos with labels.

    Attributes:
        photos: n photos, in memory or as files.
        hashes: n content hashes of the decoded pictures.
        labels: n indices into ``class_names``.
        class_names: K names.
        skipped: files, or rows of a table, that could not be read, with the reason.
    """

    photos: tuple[PhotoSource, ...]
    hashes: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    skipped: tuple[tuple[Path | int, str], ...] = ()

    def __len__(self) -> int:
        return len(self.photos)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the photos that are files: all of them, or of photos in memory none."""
        return tuple(photo for photo in self.photos if isinstance(photo, Path))

    @property
    def names(self) -> list[str]:
        """Return n class names, one for each photo."""
        return [self.class_names[label] for label in self.labels]

    @cached_property
    def fingerprint(self) -> str:
        """``data_fingerprint`` of photos and labels."""
        return data_fingerprint(self.hashes, self.names)

    def unlabelled(self) -> LabelledPhotos:
        """Return the photos as things that belong to no class: all have one, which has no name."""
        return replace(self, labels=(0,) * len(self), class_names=("",))

    def take(self, indices: Sequence[int]) -> LabelledPhotos:
        """Return the chosen photos, with the same class list."""
        return LabelledPhotos(
            photos=tuple(self.photos[i] for i in indices),
            hashes=tuple(self.hashes[i] for i in indices),
            labels=tuple(self.labels[i] for i in indices),
            class_names=self.class_names,
            skipped=self.skipped,
        )

    def left_over(self, drawn: LabelledPhotos) -> LabelledPhotos:
        """Return the photos whose pictures were not drawn, with the same class list: what there is to test with.

        Raises:
            DataError: classes of which nothing is left.
        """
        known = set(drawn.hashes)
        left = self.take([i for i, digest in enumerate(self.hashes) if digest not in known])
        gone = set(self.labels) - set(left.labels)
        empty = [name for label, name in enumerate(self.class_names) if label in gone]
        if empty:
            raise DataError(
                f"All photos of {listed(empty)} were drawn to learn from, and none is left to test with: draw fewer "
                "shots, add photos, or put photos for the test into a folder of their own (train/ and test/)."
            )
        return left

    def draw(self, shots: int, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
        """Return exactly ``shots`` photos of each class.

        The draw orders the pictures by a hash of the seed and their content, so it does not depend on file names or on
        the order of a folder, and a draw of fewer shots is part of a draw of more.

        Raises:
            DataError: a class with fewer photos (with ``allow_fewer`` what is there is taken), or one with none.
        """
        check_shots(shots)
        chosen: list[int] = []
        for label, name in enumerate(self.class_names):
            members = [i for i, other in enumerate(self.labels) if other == label]
            if not members:
                raise DataError(
                    f"The class {name!r} has no images: its folder holds none that can be read, or all were drawn "
                    "before. Add some, or take the class away."
                )
            if len(members) < shots and not allow_fewer:
                raise DataError(
                    f"The class {name!r} has {len(members)} images, but {shots} shots were asked for. Add images, ask "
                    "for fewer shots, or allow fewer (allow_fewer=True)."
                )
            members.sort(key=lambda i: hashlib.sha256(f"{seed}|{self.hashes[i]}".encode()).digest())
            chosen.extend(members[:shots])
        return self.take(chosen)


def check_shots(shots: int) -> None:
    """Raise DataError unless the number of shots is a whole number of 1 or more."""
    if not isinstance(shots, SupportsIndex):
        raise DataError(f"{shots!r} shots were asked for; it must be a whole number.")
    if shots < 1:
        raise DataError(f"{shots} shots were asked for; the least is 1.")


def data_fingerprint(hashes: Sequence[str], labels: Sequence[str]) -> str:
    """Return SHA-256 over pictures and labels, whatever their order: equal for trainings that saw the same shots."""
    lines = sorted(f"{digest} {label}" for digest, label in zip(hashes, labels, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
