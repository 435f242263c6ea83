"""The files that divide a set into train, val and test: CoOp's, and those that come with each set."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gallop.data.listing import Listing
from gallop.data.paper.places import FoundSet, damaged, read_json, read_lines, read_mat
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError
from gallop.names.class_names import clean_names, folder_to_name

ListedFile = tuple[str, int | str, str]
"""A file below the folder of the photos, what its class is sorted by, and the name of its class."""
Splits = Mapping[str, Sequence[ListedFile]]
_SPLITS = ("train", "val", "test")

_FLOWERS = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon orchid,
bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle, yellow iris,
globe-flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily, pincushion flower,
fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke,
sweet william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya,
cape flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword lily, poinsettia,
bolero deep blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion, petunia, wild pansy, primula,
sunflower, pelargonium, bishop of llandaff, gaura, geranium, orange dahlia, pink-yellow dahlia, cautleya spicata,
japanese anemone, black-eyed susan, silverbush, californian poppy, osteospermum, spring crocus, bearded iris,
windflower, tree poppy, gazania, azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus,
toad lily, anthurium, frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen,
watercress, canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow,
mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
"""
FLOWERS = tuple(" ".join(name.split()) for name in _FLOWERS.split(","))
"""The 102 flowers in the order of their numbers, which begin with 1 in the set's files."""


def divided(place: FoundSet, splits: Splits, origin: Path) -> PhotoSet:
    """Return a set from the files of its splits, which share one class list.

    Args:
        origin: the file or folder that the splits were read from, for messages.

    Raises:
        DataError: a class with two names, files that are not there, or paths that lead out of the folder.
    """
    names: dict[Any, str] = {}
    for file, label, name in (entry for entries in splits.values() for entry in entries):
        known = names.setdefault(label, name)
        if known != name:
            raise DataError(f"{origin} calls class {label} {known!r} and, for {file}, {name!r}; get the file anew.")
    if not names:
        raise DataError(f"{origin} names no images; get the file anew.")
    files = [file for entries in splits.values() for file, _, _ in entries]
    gone = absent(place.photos, files)
    if gone:
        raise DataError(
            f"{origin} names {len(files)} files, but {len(gone)} of them are not in {place.photos}; the first is "
            f"{gone[0]}. Extract the images again, or give the folder that holds them all."
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
    there: dict[str, set[str]] = {}
    gone: list[str] = []
    for file in files:
        folder, _, name = file.rpartition("/")
        if folder not in there:
            if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(folder).parts:
                raise DataError(f"{file!r} leads out of {root}; a split names files below the folder of the images.")
            try:
                there[folder] = set(os.listdir(root / folder))
            except OSError:
                there[folder] = set()
        if name not in there[folder]:
            gone.append(file)
    return gone


def coop_split(file: str) -> Callable[[FoundSet], PhotoSet]:
    """Return what reads CoOp's ``split_zhou_*.json``: for each split a list of [path, number of the
    class, its name].
    """

    def read(place: FoundSet) -> PhotoSet:
        path = place.need(file)
        data = read_json(path)
        if not isinstance(data, dict) or not all(isinstance(data.get(split, []), list) for split in _SPLITS):
            raise damaged(path, data)
        empty = [split for split in ("train", "test") if not data.get(split)]
        if empty:
            raise DataError(f"{path} has no images under {' and '.join(map(repr, empty))}; get the file anew.")
        splits: dict[str, list[ListedFile]] = {split: [] for split in _SPLITS}
        for split, entries in splits.items():
            for row in data.get(split, []):
                match row:
                    case [str(photo), int(label), str(name)]:
                        entries.append((photo, label, name))
                    case _:
                        raise damaged(path, row)
        return divided(place, splits, path)

    return read


def _of_lines(
    place: FoundSet, files: Mapping[str, str], entry: Callable[[str], ListedFile | None], origin: str | None = None
) -> PhotoSet:
    """Read files of lines.

    Args:
        files: by split.
        entry: gives what a line says, or None where it is damaged.
        origin: what messages name; None is the first file.
    """
    splits: dict[str, list[ListedFile]] = {split: [] for split in files}
    for split, file in files.items():
        path = place.need(file)
        for line in read_lines(path):
            found = entry(line)
            if found is None:
                raise damaged(path, line)
            splits[split].append(found)
    return divided(place, splits, place.need(origin or next(iter(files.values()))))


def pets(place: FoundSet) -> PhotoSet:
    """Read ``annotations/trainval.txt`` and ``test.txt``: file, number of the breed from 1, species, breed
    in species.
    """

    def entry(line: str) -> ListedFile | None:
        words = line.split()
        if len(words) != 4 or not words[1].isdecimal() or "_" not in words[0]:
            return None
        return f"{words[0]}.jpg", int(words[1]) - 1, words[0].rpartition("_")[0].lower()

    return _of_lines(place, {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}, entry, "annotations")


def cars(place: FoundSet) -> PhotoSet:
    """Read the MATLAB files of the development kit, and that of the test labels, which is to be had apart."""
    (class_names,) = read_mat(place.need("devkit/cars_meta.mat"), "class_names")
    # The year comes first, as it is said: "Audi TT RS Coupe 2012" becomes "2012 Audi TT RS Coupe".
    names = [re.sub(r"(.+) (\d{4})$", r"\2 \1", str(name)) for name in np.atleast_1d(class_names)]
    splits: dict[str, list[ListedFile]] = {}
    for split, file in {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}.items():
        path = place.need(file)
        (rows,) = read_mat(path, "annotations")
        try:
            found = [(str(row["fname"]), int(row["class"]) - 1) for row in np.atleast_1d(rows)]
            splits[split] = [(f"cars_{split}/{photo}", label, names[label]) for photo, label in found]
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} holds no file names and class numbers; test labels lie in a file apart."
            ) from error
    return divided(place, splits, place.need("devkit"))


def flowers(place: FoundSet) -> PhotoSet:
    """Read ``imagelabels.mat`` and ``setid.mat``, with numbers from 1; names from ``cat_to_name.json`` where it is
    there.
    """
    origin, labelled = place.need("setid.mat"), place.need("imagelabels.mat")
    numbers = _whole(labelled, *read_mat(labelled, "labels"))
    names = dict(enumerate(FLOWERS, 1))
    named = place.find("cat_to_name.json")
    if named is not None:
        given = read_json(named)
        if not isinstance(given, dict) or not all(str(key).isdecimal() for key in given):
            raise damaged(named, given)
        names |= {int(key): str(name) for key, name in given.items()}
    splits: dict[str, list[ListedFile]] = {split: [] for split in _SPLITS}
    for entries, ids in zip(splits.values(), read_mat(origin, "trnid", "valid", "tstid"), strict=True):
        for i in _whole(origin, ids):
            label = numbers[i - 1] if 1 <= i <= len(numbers) else 0
            if label not in names:
                raise DataError(f"{origin} names image {i}, for which imagelabels.mat has no flower; get both anew.")
            entries.append((f"image_{i:05d}.jpg", label, names[label]))
    return divided(place, splits, origin)


def _whole(path: Path, values: Any) -> list[int]:
    """The whole numbers of a variable, however many it holds."""
    try:
        return [int(value) for value in np.ravel(values)]
    except (TypeError, ValueError, OverflowError) as error:
        raise damaged(path, values) from error


def food(place: FoundSet) -> PhotoSet:
    """Read ``meta/train.json`` and ``test.json``: for each class its files, without their suffix."""
    splits: dict[str, list[ListedFile]] = {}
    for split in ("train", "test"):
        path = place.need(f"meta/{split}.json")
        data = read_json(path)
        if not isinstance(data, dict) or not all(isinstance(files, list) for files in data.values()):
            raise damaged(path, data)
        splits[split] = [(f"{file}.jpg", name, name) for name, files in data.items() for file in files]
    return divided(place, splits, place.need("meta"))


def aircraft(place: FoundSet) -> PhotoSet:
    """Read ``images_variant_*.txt``: the number of a photo and the name of its variant, one of ``variants.txt``."""
    numbers = {name: i for i, name in enumerate(read_lines(place.need("variants.txt")))}

    def entry(line: str) -> ListedFile | None:
        photo, _, name = line.partition(" ")
        return (f"{photo}.jpg", numbers[name], name) if name in numbers else None

    return _of_lines(place, {split: f"images_variant_{split}.txt" for split in _SPLITS}, entry, "variants.txt")


def _in_folder(file: str, name: Callable[[str], str]) -> ListedFile | None:
    """A file in a class folder: the classes are numbered in the order of their folders."""
    folder, slash, _ = file.rpartition("/")
    return (file, folder, name(folder)) if slash else None


def textures(place: FoundSet) -> PhotoSet:
    """Read the first of DTD's ten partitions, as CoOp and torchvision take it: lines of ``class/photo.jpg``."""
    return _of_lines(place, {split: f"labels/{split}1.txt" for split in _SPLITS}, lambda line: _in_folder(line, str))


def scenes(place: FoundSet) -> PhotoSet:
    """Read the first of SUN397's ten partitions: lines of ``/a/abbey/photo.jpg``."""

    def name(folder: str) -> str:
        """Leave out the letter and put the last part first: "c/casino/indoor" becomes "indoor casino"."""
        return " ".join(reversed(folder.split("/")[1:]))

    files = {"train": "Training_01.txt", "test": "Testing_01.txt"}
    return _of_lines(place, files, lambda line: _in_folder(line.lstrip("/"), name))


def actions(place: FoundSet) -> PhotoSet:
    """Read the first of UCF101's three splits, of videos; the photo is the middle frame that CoOp hands out."""

    def name(action: str) -> str:
        """Part the words: "ApplyEyeMakeup" becomes "Apply_Eye_Makeup", the name of its folder in CoOp's layout."""
        return re.sub(r"(?<=.)(?=[A-Z])", "_", action)

    def entry(line: str) -> ListedFile | None:
        action, _, video = line.split()[0].partition("/")
        folder = name(action) if (place.photos / name(action)).is_dir() else action
        return _in_folder(f"{folder}/{video.removesuffix('.avi')}.jpg", name)

    files = {"train": "ucfTrainTestlist/trainlist01.txt", "test": "ucfTrainTestlist/testlist01.txt"}
    return _of_lines(place, files, entry)
