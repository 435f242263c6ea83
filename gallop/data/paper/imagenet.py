"""ImageNet and its variants: folders named by synset or by number, and the names that belong to them."""

from __future__ import annotations

import re
from pathlib import Path

from gallop.data.listing import Listing, class_folder_files
from gallop.data.paper.places import FoundSet, damaged, read_lines, subfolders
from gallop.data.photo_set import PhotoSet
from gallop.errors import DataError
from gallop.names.class_names import clean_names

SYNSET = r"n\d{8}"
CLASS_NAMES = "classnames.txt"
_SORTER = "https://raw.githubusercontent.com/soumith/imagenetloader.torch/master/valprep.sh"


def class_names(place: FoundSet) -> dict[str, str]:
    """Return the names of the classes by synset, in the order of the class indices.

    They come from ``classnames.txt`` where the set, or the folder of ImageNet beside it, has one; otherwise they are
    ``gallop.backbones.imagenet``. Where a file gives one name to two classes, as CoOp's does to the two missiles
    and the two sunglasses, the second list's words tell them apart.
    """
    from gallop.backbones.imagenet import imagenet_names  # torch comes with it

    ours = imagenet_names()
    path = place.find(CLASS_NAMES) or _beside(place)
    if path is None:
        return ours
    names: dict[str, str] = {}
    for line in read_lines(path):
        synset, _, name = line.partition(" ")
        if not re.fullmatch(SYNSET, synset) or not name.strip():
            raise damaged(path, line)
        names[synset] = name.strip()
    counts: dict[str, int] = {}
    for name in names.values():
        counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
    told_apart = {
        synset: ours.get(synset, name) if counts[name.casefold()] > 1 else name for synset, name in names.items()
    }
    return dict(sorted(told_apart.items()))


def _beside(place: FoundSet) -> Path | None:
    return next((p for name in ("imagenet", "ImageNet") if (p := place.given / name / CLASS_NAMES).is_file()), None)


def imagenet(place: FoundSet) -> PhotoSet:
    """Read ``train/`` and ``val/`` with a folder for each synset; val is the test set, as in every paper. Either will
    do.
    """
    names = class_names(place)
    folders = {split: _class_folders(place.photos / split) for split in ("train", "val")}
    synsets = sorted(set().union(*folders.values()))
    train, val = (_listing(place.photos / split, folders[split], synsets, names) for split in ("train", "val"))
    return PhotoSet(place.name, train, val, tuple(synsets), Listing(place.photos, class_names=train.class_names))


def by_synset(place: FoundSet) -> PhotoSet:
    """Read one folder of test images for each synset; of A and R there are 200, a part of the thousand."""
    synsets = _class_folders(place.photos)
    test = _listing(place.photos, synsets, synsets, class_names(place))
    return _test_alone(place, test, tuple(synsets))


def by_number(place: FoundSet) -> PhotoSet:
    """ImageNetV2: folders ``0`` to ``999``, which are the class indices. As text, 10 would come before 2."""
    names = class_names(place)
    order = list(names)
    folders = sorted(subfolders(place.photos, r"\d{1,4}"), key=int)
    beyond = [folder for folder in folders if int(folder) >= len(order)]
    if beyond:
        raise DataError(f"{place.photos / beyond[0]} is no class: there are {len(order)} names, counted from 0.")
    synsets = [order[int(folder)] for folder in folders]
    folder_of = dict(zip(synsets, folders, strict=True))
    test = _listing(place.photos, synsets, synsets, names, folder_of)
    return _test_alone(place, test, tuple(synsets))


def _test_alone(place: FoundSet, test: Listing, synsets: tuple[str, ...]) -> PhotoSet:
    nothing = Listing(test.root, class_names=test.class_names)
    return PhotoSet(place.name, nothing, test, synsets, nothing)


def _class_folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    found = list(subfolders(folder, SYNSET))
    if not found:
        raise DataError(
            f"{folder} holds no folders named by synset, such as n01440764. The validation images come as 50,000 files "
            f"in one folder: sort them with {_SORTER}, or let torchvision.datasets.ImageNet(root, 'val') do it."
        )
    return found


def _listing(
    root: Path, folders: list[str], synsets: list[str], names: dict[str, str], folder_of: dict[str, str] | None = None
) -> Listing:
    unknown = [synset for synset in synsets if synset not in names]
    if unknown:
        raise DataError(f"{root}: the folder {unknown[0]} is none of ImageNet's {len(names)} classes; take it away.")
    labels: list[int] = []
    files: list[str] = []
    number = {synset: i for i, synset in enumerate(synsets)}
    for synset in folders:
        found = class_folder_files(root, (folder_of or {}).get(synset, synset))
        files += found
        labels += [number[synset]] * len(found)
    return Listing(root, tuple(files), tuple(labels), clean_names(names[synset] for synset in synsets))
