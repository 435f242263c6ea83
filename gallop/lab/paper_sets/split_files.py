"""The files that divide a set into train, val and test: CoOp's, and those of the aircraft, which CoOp takes too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from gallop.data.listing import Listing
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError
from gallop.lab.paper_sets.places import SetLocation, damaged, read_json, read_lines
from gallop.names.class_names import clean_names, folder_to_name

ListedFile = tuple[str, int, str]
"""A file below the folder of the photos, the number of its class, and its name."""
Splits = Mapping[str, Sequence[ListedFile]]
_SPLITS = ("train", "val", "test")


def divided(place: SetLocation, splits: Splits, origin: Path) -> PhotoSet:
    """Return a set from the files of its splits, which share one class list.

    Args:
        origin: the file or folder that the splits were read from, for messages.

    Raises:
        DataError: a class with two names, files that are not there, or paths that lead out of the folder.
    """
    names: dict[int, str] = {}
    for file, label, name in (entry for entries in splits.values() for entry in entries):
        known = names.setdefault(label, name)
        if known != name:
            raise DataError(
                f"{origin} gives class {label} two names: {known!r}, and {name!r} for {file}. Download the file again."
            )
    if not names:
        raise DataError(f"{origin} lists no images. Download the file again.")
    files = [file for entries in splits.values() for file, _, _ in entries]
    gone = absent(place.photos, files)
    if gone:
        raise DataError(
            f"{origin} lists {len(files)} files, but {len(gone)} of them, such as {gone[0]}, are not in "
            f"{place.photos}. Extract the images again, or pass the folder that contains all of them."
        )
    order = {label: i for i, label in enumerate(sorted(names))}
    class_names = clean_names((names[label] for label in order), clean=folder_to_name)
    train, val, test = (
        Listing(
            place.photos,
            tuple(file for file, _, _ in splits.get(split, ())),
            tuple(order[label] for _, label, _ in splits.get(split, ())),
            class_names,
        )
        for split in _SPLITS
    )
    return PhotoSet(place.name, train, test, val=val)


def absent(root: Path, files: Iterable[str]) -> list[str]:
    """Return the files that are not below ``root``, in order; each folder is read once, and no file is opened.

    Raises:
        DataError: a path that leads out of ``root``.
    """
    there, gone = dict[str, set[str]](), list[str]()
    for file in files:
        folder, _, name = file.rpartition("/")
        if folder not in there:
            if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(folder).parts:
                raise DataError(f"{file!r} points outside {root}. A split may list only files inside the image folder.")
            try:
                there[folder] = set(os.listdir(root / folder))
            except OSError:
                there[folder] = set()
        if name not in there[folder]:
            gone.append(file)
    return gone


def coop_split(place: SetLocation) -> PhotoSet:
    """Read CoOp's ``split_zhou_*.json``: for each split a list of [path, number of the class, its name]."""
    (path,) = place.files
    data = read_json(path)
    if not isinstance(data, dict) or not all(isinstance(data.get(split, []), list) for split in _SPLITS):
        raise damaged(path, data)
    empty = [split for split in ("train", "test") if not data.get(split)]
    if empty:
        raise DataError(f"{path} lists no images under {' and '.join(map(repr, empty))}. Download the file again.")
    splits: dict[str, list[ListedFile]] = {split: [] for split in _SPLITS}
    for split, entries in splits.items():
        for row in data.get(split, []):
            match row:
                case [str(photo), int(label), str(name)]:
                    entries.append((photo, label, name))
                case _:
                    raise damaged(path, row)
    return divided(place, splits, path)


def aircraft(place: SetLocation) -> PhotoSet:
    """Read ``images_variant_*.txt``: the number of a photo and the name of its variant, one of ``variants.txt``."""
    variants, *lists = place.files
    numbers = {name: i for i, name in enumerate(read_lines(variants))}
    splits: dict[str, list[ListedFile]] = {split: [] for split in _SPLITS}
    for entries, path in zip(splits.values(), lists, strict=True):
        for line in read_lines(path):
            photo, _, name = line.partition(" ")
            if name not in numbers:
                raise damaged(path, line)
            entries.append((f"{photo}.jpg", numbers[name], name))
    return divided(place, splits, variants)
