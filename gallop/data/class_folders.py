"""Class folders, exact k-shot draws and splits.

A folder of class folders is a data set; the class name is the folder's name with ``_`` as space. A folder that holds
``train/`` and ``test/`` is resolved to one of them, never taken as two classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gallop.data.labelled import ContentHash, LabelledPhotos, PhotoSource, content_hash, read_files
from gallop.errors import DataError
from gallop.images import IMAGE_SUFFIXES, list_images
from gallop.names.class_names import clean_names, folder_to_name


def resolve_split(root: Path, split: str) -> Path:
    """Return ``root/split`` where root holds ``train/`` and ``test/``; otherwise root itself."""
    if (root / "train").is_dir() and (root / "test").is_dir():
        return root / split
    return root


def read_folder(root: str | Path, *, split: str = "train", content: ContentHash = content_hash) -> LabelledPhotos:
    """Return every readable image of a folder of class folders; duplicate pictures in a class count once.

    Files that are not readable images are listed in ``skipped``.

    Args:
        split: where the folder holds ``train/`` and ``test/``, which of them.
        content: gives the hash of each file's picture; ``gallop.features.contents`` remembers it.

    Raises:
        DataError: no folder, no class folder, no readable image in any, or one picture in two classes.
        ClassNameError: folders whose names are equal after cleaning.
    """
    class_folders = _class_folders(Path(root), split)
    labelled = read_files(
        ((path, name, "") for name, folder in class_folders.items() for path in list_images(folder)),
        tuple(class_folders),
        content,
    )
    if labelled.photos:
        return labelled
    nothing = f"The class folders in {resolve_split(Path(root), split)} contain no readable images"
    for deeper in class_folders.values():
        if any(inside.is_dir() for inside in deeper.iterdir()):
            raise DataError(
                f"{nothing}, but {deeper} contains folders. Use the folder that contains one folder of images for "
                f"each class (perhaps {deeper}), or a folder that contains train/ and test/."
            )
    if labelled.skipped:
        raise DataError(f"{nothing}. First error, of {labelled.skipped[0][0]}: {labelled.skipped[0][1]}")
    raise DataError(f"{nothing}. Only files that end in {', '.join(IMAGE_SUFFIXES)} are read.")


def folder_class_names(root: str | Path, *, split: str = "train") -> tuple[str, ...]:
    """Return the class names of a folder of class folders, as ``read_folder`` has them, before any photo is opened.

    Raises DataError and ClassNameError as it does for folders and their names.
    """
    return tuple(_class_folders(Path(root), split))


def _class_folders(root: Path, split: str) -> dict[str, Path]:
    """The folders of a split by the names of their classes."""
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. Use a folder that contains one folder of images for each class.")
    folder = resolve_split(root, split)
    folders = [f for f in sorted(folder.iterdir()) if f.is_dir() and not f.name.startswith((".", "__MACOSX"))]
    if not folders:
        raise DataError(f"{folder} contains no class folders. Put the images of each class into a separate folder.")
    return dict(zip(clean_names((f.name for f in folders), clean=folder_to_name), folders, strict=True))


def draw_shots(dataset: LabelledPhotos, shots: int, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
    """Return exactly ``shots`` images of each class, as ``dataset.draw`` does it, and raises what it raises."""
    return dataset.draw(shots, seed=seed, allow_fewer=allow_fewer)


def duplicates(first: LabelledPhotos, second: LabelledPhotos) -> list[tuple[PhotoSource, PhotoSource]]:
    """Return pairs of photos, one of each set, that hold the same picture: a leak from train to test."""
    where = dict(zip(first.hashes, first.photos, strict=True))
    return [(where[h], p) for h, p in zip(second.hashes, second.photos, strict=True) if h in where]


def stratified_folds(
    labels: Sequence[int], folds: int, *, seed: int, groups: Sequence[int] | None = None
) -> list[list[int]]:
    """Return indices of each fold: disjoint, together everything, each class spread as evenly as possible.

    Classes with a single image stay out of every fold, so that no training loses all images of a class.

    Args:
        groups: a number for each image; those of a class that share one come into the same fold, as if they were one
            image. Where all images of a class share one, or ``groups`` is None, each image counts by itself.
    """
    rng = np.random.default_rng(seed)
    groups = range(len(labels)) if groups is None else groups
    parts: list[list[int]] = [[] for _ in range(folds)]
    for label in sorted(set(labels)):
        members = [i for i, other in enumerate(labels) if other == label]
        if len(members) < 2:
            continue
        alone = len({groups[i] for i in members}) < 2
        together: dict[int, list[int]] = {}
        for i in rng.permutation(members).tolist():
            together.setdefault(i if alone else groups[i], []).append(i)
        here = [0] * folds
        for some in together.values():
            # The first with the fewest of the class, and of those the fewest in all: where all groups are single
            # images, one fold after the other, round and round.
            least = min(range(folds), key=lambda fold: (here[fold], len(parts[fold])))
            parts[least] += some
            here[least] += len(some)
    return [sorted(part) for part in parts if part]
