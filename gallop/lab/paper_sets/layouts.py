"""How sets are divided: ImageNet's folders by synset or number, CoOp's split files, and those of the aircraft."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from gallop.data.listing import Listing
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError
from gallop.images import IMAGE_SUFFIXES
from gallop.lab.paper_sets.on_disk import SetLocation, damaged, read_json, read_lines, subfolders
from gallop.names.class_names import clean_names, folder_to_name

SYNSET = r"n\d{8}"
CLASS_NAMES = "classnames.txt"
_SORTER = "https://raw.githubusercontent.com/soumith/imagenetloader.torch/master/valprep.sh"
ListedFile = tuple[str, int, str]
"""A file below the folder of the photos, the number of its class, and its name."""
Splits = Mapping[str, Sequence[ListedFile]]
_SPLITS = ("train", "val", "test")


def class_names(place: SetLocation) -> dict[str, str]:
    """Return the names of the classes by synset, in the order of the class indices.

    They come from ``classnames.txt`` where the set, or the folder of ImageNet beside it, has one; otherwise they are
    ``gallop.backbones.imagenet``. Where a file gives one name to two classes, as CoOp's does to the two missiles
    and the two sunglasses, the second list's words tell them apart.
    """
    from gallop.backbones.imagenet import imagenet_names  # torch comes with it

    ours = imagenet_names()
    beside = [place.given / name / CLASS_NAMES for name in ("imagenet", "ImageNet")]
    path = place.find(CLASS_NAMES) or next((path for path in beside if path.is_file()), None)
    if path is None:
        return ours
    names: dict[str, str] = {}
    for line in read_lines(path):
        synset, _, name = line.partition(" ")
        if not re.fullmatch(SYNSET, synset) or not name.strip():
            raise damaged(path, line)
        names[synset] = name.strip()
    counts = Counter(name.casefold() for name in names.values())
    return {
        synset: ours.get(synset, name) if counts[name.casefold()] > 1 else name
        for synset, name in sorted(names.items())
    }


def imagenet(place: SetLocation) -> PhotoSet:
    """Read ``train/`` and ``val/`` with a folder for each synset; val is the test set, as in every paper. Either will
    do.
    """
    names = class_names(place)
    folders = {split: _class_folders(place.photos / split) for split in ("train", "val")}
    synsets = sorted(set().union(*folders.values()))
    train, val = (_listing(place.photos / split, of_split, synsets, names) for split, of_split in folders.items())
    return PhotoSet(place.name, train, val, tuple(synsets), Listing(place.photos, class_names=train.class_names))


def by_synset(place: SetLocation) -> PhotoSet:
    """Read one folder of test images for each synset; of A and R there are 200, a part of the thousand."""
    return _test_alone(place, _class_folders(place.photos), class_names(place))


def by_number(place: SetLocation) -> PhotoSet:
    """Read ImageNetV2: folders ``0`` to ``999``, which are the class indices. As text, 10 would come before 2."""
    names = class_names(place)
    order = list(names)
    folders = sorted(subfolders(place.photos, r"\d{1,4}"), key=int)
    beyond = [folder for folder in folders if int(folder) >= len(order)]
    if beyond:
        raise DataError(
            f"{place.photos / beyond[0]} is not a class folder: class folders are named 0 to {len(order) - 1}. "
            "Remove it."
        )
    return _test_alone(place, {order[int(folder)]: folder for folder in folders}, names)


def _test_alone(place: SetLocation, folders: Mapping[str, str], names: Mapping[str, str]) -> PhotoSet:
    test = _listing(place.photos, folders, list(folders), names)
    nothing = Listing(test.root, class_names=test.class_names)
    return PhotoSet(place.name, nothing, test, tuple(folders), nothing)


def _class_folders(folder: Path) -> dict[str, str]:
    """The folders that are named by synset, by their synsets."""
    if not folder.is_dir():
        return {}
    synsets = subfolders(folder, SYNSET)
    if not synsets:
        raise DataError(
            f"{folder} contains no folders named after synsets, such as n01440764. ImageNet's validation images come "
            f"as 50,000 files in one folder. Sort them into such folders with {_SORTER}, or with "
            "torchvision.datasets.ImageNet(root, 'val')."
        )
    return {synset: synset for synset in synsets}


def _listing(root: Path, folders: Mapping[str, str], synsets: Sequence[str], names: Mapping[str, str]) -> Listing:
    """List each folder's image files, found by suffix and sorted; none is opened."""
    unknown = [synset for synset in synsets if synset not in names]
    if unknown:
        raise DataError(f"{root}: the folder {unknown[0]} is not one of ImageNet's {len(names)} classes. Remove it.")
    files, labels = list[str](), list[int]()
    number = {synset: i for i, synset in enumerate(synsets)}
    for synset, folder in folders.items():
        with os.scandir(root / folder) as entries:
            images = sorted(entry.name for entry in entries if entry.name.lower().endswith(IMAGE_SUFFIXES))
        files += [f"{folder}/{name}" for name in images if not name.startswith(".")]
        labels += [number[synset]] * (len(files) - len(labels))
    return Listing(root, tuple(files), tuple(labels), clean_names(names[synset] for synset in synsets))


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
    for file in files:
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise DataError(
                f"{file!r} points outside {place.photos}. A split may list only files inside the image folder."
            )
    if gone := [file for file in files if not (place.photos / file).exists()]:
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
