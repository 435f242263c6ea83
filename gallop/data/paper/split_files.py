"""The files that divide a set into train, val and test: CoOp's, and those that come with each set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gallop.data.listing import ListedFile, Listing, listings
from gallop.data.paper.names import FLOWERS, action_name, car_name, scene_name
from gallop.data.paper.places import FoundSet, damaged, read_json, read_lines, read_mat
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError

Splits = dict[str, Sequence[ListedFile]]
_SPLITS = ("train", "val", "test")


def coop_split(file: str) -> Callable[[FoundSet], PhotoSet]:
    """Return what reads CoOp's ``split_zhou_*.json``: for each split a list of [path, number of the
    class, its name].
    """

    def read(place: FoundSet) -> PhotoSet:
        path = place.need(file)
        data = read_json(path)
        if not isinstance(data, dict) or not all(isinstance(data.get(split, []), list) for split in _SPLITS):
            raise damaged(path, data)
        absent = [split for split in ("train", "test") if not data.get(split)]
        if absent:
            raise DataError(f"{path} has no images under {' and '.join(map(repr, absent))}; get the file anew.")
        return divided(place, {split: _entries(path, data.get(split, [])) for split in _SPLITS}, path)

    return read


def _entries(path: Path, rows: list[Any]) -> list[ListedFile]:
    entries: list[ListedFile] = []
    for row in rows:
        match row:
            case [str(file), int(label), str(name)]:
                entries.append((file, label, name))
            case _:
                raise damaged(path, row)
    return entries


def divided(place: FoundSet, splits: Splits, origin: Path) -> PhotoSet:
    """Return a set from the entries of its splits."""
    found = listings(place.photos, splits, origin)
    nothing = Listing(place.photos, class_names=found["test"].class_names)
    return PhotoSet(place.name, found.get("train", nothing), found["test"], val=found.get("val", nothing))


def pets(place: FoundSet) -> PhotoSet:
    """Read ``annotations/trainval.txt`` and ``test.txt``: file, number of the breed from 1, species, breed
    in species.
    """

    def read(file: str) -> list[ListedFile]:
        path = place.need(file)
        entries: list[ListedFile] = []
        for line in read_lines(path):
            words = line.split()
            if len(words) != 4 or not words[1].isdecimal() or "_" not in words[0]:
                raise damaged(path, line)
            entries.append((f"{words[0]}.jpg", int(words[1]) - 1, words[0].rpartition("_")[0].lower()))
        return entries

    splits: Splits = {"train": read("annotations/trainval.txt"), "test": read("annotations/test.txt")}
    return divided(place, splits, place.need("annotations"))


def cars(place: FoundSet) -> PhotoSet:
    """Read the MATLAB files of the development kit, and that of the test labels, which is to be had apart."""
    (class_names,) = read_mat(place.need("devkit/cars_meta.mat"), "class_names")
    names = [car_name(str(name)) for name in np.atleast_1d(class_names)]

    def read(file: str, folder: str) -> list[ListedFile]:
        path = place.need(file)
        (rows,) = read_mat(path, "annotations")
        try:
            found = [(str(row["fname"]), int(row["class"]) - 1) for row in np.atleast_1d(rows)]
            return [(f"{folder}/{photo}", label, names[label]) for photo, label in found]
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} holds no file names and class numbers; test labels lie in a file apart."
            ) from error

    splits: Splits = {
        "train": read("devkit/cars_train_annos.mat", "cars_train"),
        "test": read("cars_test_annos_withlabels.mat", "cars_test"),
    }
    return divided(place, splits, place.need("devkit"))


def flowers(place: FoundSet) -> PhotoSet:
    """Read ``imagelabels.mat`` and ``setid.mat``, with numbers from 1; names from ``cat_to_name.json`` where it is
    there.
    """
    origin = place.need("setid.mat")
    (labels,) = read_mat(place.need("imagelabels.mat"), "labels")
    numbers = _whole(place.need("imagelabels.mat"), labels)
    names = dict(enumerate(FLOWERS, 1))
    named = place.find("cat_to_name.json")
    if named is not None:
        given = read_json(named)
        if not isinstance(given, dict) or not all(str(key).isdecimal() for key in given):
            raise damaged(named, given)
        names |= {int(key): str(name) for key, name in given.items()}
    splits: dict[str, list[ListedFile]] = {}
    for split, ids in zip(_SPLITS, read_mat(origin, "trnid", "valid", "tstid"), strict=True):
        splits[split] = []
        for i in _whole(origin, ids):
            label = numbers[i - 1] if 1 <= i <= len(numbers) else 0
            if label not in names:
                raise DataError(f"{origin} names image {i}, for which imagelabels.mat has no flower; get both anew.")
            splits[split].append((f"image_{i:05d}.jpg", label - 1, names[label]))
    return divided(place, dict(splits), origin)


def _whole(path: Path, values: Any) -> list[int]:
    """The whole numbers of a variable, however many it holds."""
    try:
        return [int(value) for value in np.ravel(values)]
    except (TypeError, ValueError, OverflowError) as error:
        raise damaged(path, values) from error


def food(place: FoundSet) -> PhotoSet:
    """Read ``meta/train.json`` and ``test.json``: for each class its files, without their suffix."""
    read = {split: (place.need(f"meta/{split}.json")) for split in ("train", "test")}
    found = {split: read_json(path) for split, path in read.items()}
    for split, data in found.items():
        if not isinstance(data, dict) or not all(isinstance(files, list) for files in data.values()):
            raise damaged(read[split], data)
    numbers = {name: i for i, name in enumerate(sorted({name for data in found.values() for name in data}))}
    splits: Splits = {
        split: [(f"{file}.jpg", numbers[name], name) for name, files in data.items() for file in files]
        for split, data in found.items()
    }
    return divided(place, splits, place.need("meta"))


def aircraft(place: FoundSet) -> PhotoSet:
    """Read ``images_variant_*.txt``: the number of a photo and the name of its variant, one of ``variants.txt``."""
    numbers = {name: i for i, name in enumerate(read_lines(place.need("variants.txt")))}
    splits: dict[str, list[ListedFile]] = {}
    for split in _SPLITS:
        path = place.need(f"images_variant_{split}.txt")
        splits[split] = []
        for line in read_lines(path):
            photo, _, name = line.partition(" ")
            if name not in numbers:
                raise damaged(path, line)
            splits[split].append((f"{photo}.jpg", numbers[name], name))
    return divided(place, dict(splits), place.need("variants.txt"))


def textures(place: FoundSet) -> PhotoSet:
    """Read the first of DTD's ten partitions, as CoOp and torchvision take it: lines of ``class/photo.jpg``."""
    paths = [place.need(f"labels/{split}1.txt") for split in _SPLITS]
    return _of_paths(place, paths, read_lines, lambda folder: folder)


def scenes(place: FoundSet) -> PhotoSet:
    """Read the first of SUN397's ten partitions: lines of ``/a/abbey/photo.jpg``."""
    paths = [place.need("Training_01.txt"), None, place.need("Testing_01.txt")]
    return _of_paths(place, paths, lambda path: [line.lstrip("/") for line in read_lines(path)], scene_name)


def actions(place: FoundSet) -> PhotoSet:
    """Read the first of UCF101's three splits, of videos; the photo is the middle frame that CoOp hands out."""

    def read(path: Path) -> list[str]:
        files = []
        for line in read_lines(path):
            action, _, video = line.split()[0].partition("/")
            folder = action_name(action)
            files.append(f"{folder if (place.photos / folder).is_dir() else action}/{video.removesuffix('.avi')}.jpg")
        return files

    paths = [place.need("ucfTrainTestlist/trainlist01.txt"), None, place.need("ucfTrainTestlist/testlist01.txt")]
    return _of_paths(place, paths, read, action_name)


def _of_paths(
    place: FoundSet, paths: Sequence[Path | None], read: Callable[[Path], list[str]], name: Callable[[str], str]
) -> PhotoSet:
    """Splits that list files in class folders: the classes are numbered in the order of their folders."""
    files = {split: read(path) for split, path in zip(_SPLITS, paths, strict=True) if path is not None}
    for path, listed in zip([path for path in paths if path is not None], files.values(), strict=True):
        for file in listed:
            if "/" not in file:
                raise damaged(path, file)
    folders = sorted({file.rpartition("/")[0] for listed in files.values() for file in listed})
    numbers = {folder: i for i, folder in enumerate(folders)}
    splits: Splits = {
        split: [(file, numbers[folder], name(folder)) for file in listed for folder in [file.rpartition("/")[0]]]
        for split, listed in files.items()
    }
    return divided(place, splits, next(path for path in paths if path is not None))
