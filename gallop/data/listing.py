"""Listed files: what a set holds, with labels, before anybody has opened a picture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from gallop.data.labelled import LabelledPhotos, check_shots, data_fingerprint
from gallop.errors import DataError, ImageError
from gallop.images import IMAGE_SUFFIXES, load_image
from gallop.names.class_names import clean_names, folder_to_name

ListedFile = tuple[str, int, str]
"""A file below the folder of the photos, the number of its class, and the name of its class."""


@dataclass(frozen=True)
class Listing:
    """Labelled files that nobody has opened: ``LabelledPhotos`` know the content of every picture, a listing its name.

    This is why there are two types. ImageNet has 1.3 million files; to decode them all for 16 a class would take hours.
    So ``draw`` orders the files of each class by a hash of the seed and the path below ``root``, and opens those it
    draws: another draw than that of the same photos when their content is known, with another fingerprint.

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

    def __len__(self) -> int:
        return len(self.files)

    @property
    def paths(self) -> tuple[Path, ...]:
        """n files, made anew at every call."""
        return tuple(self.root / file for file in self.files)

    @property
    def names(self) -> list[str]:
        """n class names, one for each file."""
        return [self.class_names[label] for label in self.labels]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over files below ``root`` and labels, whatever their order; it says that it is a listing's."""
        return f"listed {data_fingerprint(self.files, self.names)}"

    def unlabelled(self) -> Listing:
        """Return the files as things that belong to no class: all have one, which has no name."""
        return replace(self, labels=(0,) * len(self), class_names=("",))

    def draw(self, shots: int, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
        """Exactly ``shots`` images of each class. Only what is drawn is opened, and it comes back with its hashes.

        The draw depends on the seed and on the paths below ``root`` alone, so it is the same on every machine, and a
        draw of fewer shots is part of a draw of more. A file that is no readable image, or a picture that has been
        drawn already, is put on ``skipped``, and the next of its class takes its place.

        Raises:
            DataError: a class with fewer images (with ``allow_fewer`` what is there is taken), or one with none.
        """
        check_shots(shots)
        if not self.files:
            raise DataError(f"There are no images to draw shots from in {self.root}.")
        waiting: list[list[int]] = [[] for _ in self.class_names]
        for i, label in enumerate(self.labels):
            waiting[label].append(i)
        least = 1 if allow_fewer else shots
        for label, files in enumerate(waiting):
            if len(files) < least:
                raise DataError(self._too_few(label, f"has {len(files)} images", shots))
            # From the last to the first, as pop() takes them.
            files.sort(key=lambda i: hashlib.sha256(f"{seed}|{self.files[i]}".encode()).digest(), reverse=True)
        drawn: list[list[int]] = [[] for _ in self.class_names]
        seen: dict[str, int] = {}
        skipped: list[tuple[Path, str]] = []
        for _ in range(shots):  # shot by shot through all classes, so that more shots change none of the first
            for files, chosen in zip(waiting, drawn, strict=True):
                chosen += self._next(files, seen, skipped)
        for label, chosen in enumerate(drawn):
            if len(chosen) < least:
                raise DataError(self._too_few(label, self._usable(label, len(chosen), dict(skipped)), shots))
        hashes = {i: digest for digest, i in seen.items()}
        order = [i for chosen in drawn for i in chosen]
        return LabelledPhotos(
            photos=tuple(self.root / self.files[i] for i in order),
            hashes=tuple(hashes[i] for i in order),
            labels=tuple(self.labels[i] for i in order),
            class_names=self.class_names,
            skipped=tuple(skipped),
        )

    def _next(self, files: list[int], seen: dict[str, int], skipped: list[tuple[Path, str]]) -> list[int]:
        """The first of ``files`` that is readable and new; what was looked at leaves the list."""
        while files:
            i = files.pop()
            path = self.root / self.files[i]
            try:
                digest = load_image(path).sha256
            except ImageError as error:
                skipped.append((path, str(error)))
                continue
            first = seen.setdefault(digest, i)
            if first == i:
                return [i]
            skipped.append((path, f"It is the same picture as {self.root / self.files[first]}."))
        return []

    def _usable(self, label: int, count: int, skipped: Mapping[Path, str]) -> str:
        """What a class that was looked through has, and why the first of the others was left out."""
        own = (self.root / file for file, other in zip(self.files, self.labels, strict=True) if other == label)
        reason = next(f"{path.name}: {skipped[path]}" for path in own if path in skipped)
        return f"has {count} usable images (others were left out, such as {reason.rstrip('.')})"

    def _too_few(self, label: int, has: str, shots: int) -> str:
        return (
            f"The class {self.class_names[label]!r} {has} in {self.root}, but {shots} shots were asked for. "
            "Ask for fewer shots, or allow fewer (allow_fewer=True)."
        )


def listings(root: Path, splits: dict[str, Sequence[ListedFile]], origin: Path) -> dict[str, Listing]:
    """Return one ``Listing`` for each split, all with the same class list in the order of the classes' numbers.

    Args:
        origin: the file that the splits were read from, for messages.

    Raises:
        DataError: a number with two names, files that are not there, or paths that lead out of ``root``.
    """
    names: dict[int, str] = {}
    for entries in splits.values():
        for file, label, name in entries:
            known = names.setdefault(label, name)
            if known != name:
                raise DataError(f"{origin} calls class {label} {known!r} and, for {file}, {name!r}; get the file anew.")
    if not names:
        raise DataError(f"{origin} names no images; get the file anew.")
    gone = absent(root, [file for entries in splits.values() for file, _, _ in entries])
    if gone:
        total = sum(len(entries) for entries in splits.values())
        raise DataError(
            f"{origin} names {total} files, but {len(gone)} of them are not in {root}; the first is {gone[0]}. "
            "Extract the images again, or give the folder that holds them all."
        )
    order = {label: i for i, label in enumerate(sorted(names))}
    class_names = clean_names((names[label] for label in order), clean=folder_to_name)
    return {
        split: Listing(
            root, tuple(file for file, _, _ in entries), tuple(order[label] for _, label, _ in entries), class_names
        )
        for split, entries in splits.items()
    }


def absent(root: Path, files: Iterable[str]) -> list[str]:
    """Return the files that are not below ``root``, in order; each folder is read once, and no file is opened.

    Raises:
        DataError: a path that leads out of ``root``.
    """
    there: dict[str, set[str]] = {}
    gone: list[str] = []
    for file in files:
        folder, _, name = file.rpartition("/")
        if folder not in there:
            if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(folder).parts:
                raise DataError(f"{file!r} leads out of {root}; a split names files below the folder of the images.")
            there[folder] = _file_names(root / folder)
        if name not in there[folder]:
            gone.append(file)
    return gone


def _file_names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def class_folder_files(root: Path, folder: str) -> list[str]:
    """Return the image files of ``root/folder`` by their suffix, sorted, as paths below ``root``; none is looked at."""
    with os.scandir(root / folder) as found:
        names = [entry.name for entry in found if entry.name.lower().endswith(IMAGE_SUFFIXES)]
    return [f"{folder}/{name}" for name in sorted(names) if not name.startswith(".")]
