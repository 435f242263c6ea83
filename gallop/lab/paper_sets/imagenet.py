"""ImageNet and its variants: folders named by synset or by number, and the names that belong to them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from gallop.data.listing import Listing
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError
from gallop.images import IMAGE_SUFFIXES
from gallop.lab.paper_sets.places import SetLocation, damaged, read_lines, subfolders
from gallop.names.class_names import clean_names

SYNSET = r"n\d{8}"
CLASS_NAMES = "classnames.txt"
_SORTER = "https://raw.githubusercontent.com/soumith/imagenetloader.torch/master/valprep.sh"


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
    """The image files of each folder, by their suffix and sorted; none is looked at."""
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
