"""Class folders, exact k-shot draws and splits.

A folder of class folders is a data set; the class name is the folder's name with ``_`` as space. A folder that holds
``train/`` and ``test/`` is resolved to one of them, never taken as two classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from gallop.data.labelled import ContentHash, LabelledPhotos, PhotoSource, content_hash
from gallop.errors import DataError, ImageError
from gallop.images import IMAGE_SUFFIXES, list_images, load_image
from gallop.names.class_names import clean_name, clean_names, folder_to_name


def resolve_split(root: Path, split: str) -> Path:
    """Return ``root/split`` where root holds ``train/`` and ``test/``; otherwise root itself."""
    if (root / "train").is_dir() and (root / "test").is_dir():
        return root / split
    return root


def read_folder(root: str | Path, *, split: str = "train", content: ContentHash = content_hash) -> LabelledPhotos:
    """Return every readable image of a folder of class folders; pictures that are there twice in a class count once.

    Files that are no readable image are listed in ``skipped``.

    Args:
        split: where the folder holds ``train/`` and ``test/``, which of them.
        content: tells the content of each file; ``gallop.features.contents`` remembers it.

    Raises:
        DataError: no folder, no class folder, no readable image in any, or one picture in two classes.
        ClassNameError: folders whose names are equal after cleaning.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give a folder that holds one folder of images for each class.")
    folder = resolve_split(root, split)
    class_folders = [f for f in sorted(folder.iterdir()) if f.is_dir() and not f.name.startswith((".", "__MACOSX"))]
    if not class_folders:
        raise DataError(f"{folder} holds no class folders; put the images of each class into a folder of its own.")
    class_names = clean_names((f.name for f in class_folders), clean=folder_to_name)
    paths: list[Path] = []
    labels: list[int] = []
    skipped: list[tuple[Path, str]] = []
    seen: dict[str, tuple[Path, int]] = {}
    for label, class_folder in enumerate(class_folders):
        for path, digest in _readable(class_folder, content, skipped):
            first, first_label = seen.setdefault(digest, (path, label))
            if first_label != label:
                raise DataError(f"{first} and {path} are the same picture in two classes; take one away.")
            if first == path:
                paths.append(path)
                labels.append(label)
    if not paths:
        raise DataError(_no_images(folder, class_folders))
    hashes = {path: digest for digest, (path, _) in seen.items()}
    return LabelledPhotos(tuple(paths), tuple(hashes[p] for p in paths), tuple(labels), class_names, tuple(skipped))


def _no_images(folder: Path, class_folders: Sequence[Path]) -> str:
    for deeper in class_folders:
        if any(inside.is_dir() for inside in deeper.iterdir()):
            return (
                f"{folder} holds no readable images in its class folders, but {deeper} holds folders. Give the folder "
                f"whose folders hold the images of one class each (perhaps {deeper}), or one that holds train/ and "
                "test/, both named so."
            )
    return f"{folder} holds no readable images in its class folders; what is read ends in {', '.join(IMAGE_SUFFIXES)}."


def _readable(folder: Path, content: ContentHash, skipped: list[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    for path in list_images(folder):
        try:
            yield path, content(path)
        except ImageError as error:
            skipped.append((path, str(error)))


def draw_shots(dataset: LabelledPhotos, shots: int, *, seed: int = 0, allow_fewer: bool = False) -> LabelledPhotos:
    """Return exactly ``shots`` images of each class, as ``dataset.draw`` does it, and raises what it raises."""
    return dataset.draw(shots, seed=seed, allow_fewer=allow_fewer)


def labelled_photos(
    images: Any,
    labels: Sequence[str] | None,
    *,
    split: str,
    shots: int | None = None,
    seed: int = 0,
    allow_fewer: bool = False,
) -> tuple[list[PhotoSource], list[str]]:
    """Return photos and their clean class names, from images with labels, ``LabelledPhotos``, or the path of a folder.

    Args:
        shots: images of each class to draw from a folder or ``LabelledPhotos``; None takes all, as it does of others.

    Raises:
        DataError: no labels and no folder, not one label for each image, or a class that is short (to train, empty).
    """
    if labels is None:
        dataset = _drawn(images, content_hash, split=split, shots=shots, seed=seed, allow_fewer=allow_fewer)
        return list(dataset.photos), dataset.names
    photos: list[PhotoSource] = [
        Path(image) if isinstance(image, str | PathLike) else load_image(image) for image in many(images)
    ]
    names = [clean_name(label) for label in ([labels] if isinstance(labels, str) else labels)]
    if len(photos) != len(names) or not photos:
        raise DataError(f"There are {len(photos)} images and {len(names)} labels; give one label for each image.")
    return photos, names


def _drawn(
    images: Any, content: ContentHash, *, split: str, shots: int | None, seed: int, allow_fewer: bool
) -> LabelledPhotos:
    if not isinstance(images, str | PathLike | LabelledPhotos):
        raise DataError("Images came without labels; give their class names, or the path of a folder.")
    dataset = images if isinstance(images, LabelledPhotos) else read_folder(Path(images), split=split, content=content)
    if shots is not None:
        return dataset.draw(shots, seed=seed, allow_fewer=allow_fewer)
    return dataset.draw(len(dataset), seed=seed, allow_fewer=True) if split == "train" else dataset


def many(images: Any) -> Sequence[Any]:
    """Return images as a list: one image becomes a list of one; an array of paths, or of images (B, H, W, channels),
    becomes a list of B.
    """
    if isinstance(images, np.ndarray) and (images.ndim == 4 or (images.ndim == 1 and images.dtype.kind in "OU")):
        return list(images)
    return images if isinstance(images, list | tuple) else [images]


def distinct_photos(
    photos: Sequence[PhotoSource], names: Sequence[str], hashes: Iterable[str] | None = None
) -> tuple[list[PhotoSource], list[str], list[str]]:
    """Return photos, class names and content hashes, each picture once: a second copy could be held out from the first.

    Args:
        hashes: of the photos, where they are known; else each is decoded for its own.

    Raises:
        DataError: one picture with two class names.
    """
    kept: dict[str, tuple[PhotoSource, str]] = {}
    digests = (load_image(photo).sha256 for photo in photos) if hashes is None else hashes
    for i, (photo, name, digest) in enumerate(zip(photos, names, digests, strict=True)):
        first, first_name = kept.setdefault(digest, (photo, name))
        if first_name != name:
            what = f"{first} and {photo}" if isinstance(first, Path) and isinstance(photo, Path) else f"Image {i + 1}"
            raise DataError(f"{what}: the same picture is labelled {first_name!r} and {name!r}; take one away.")
    return [photo for photo, _ in kept.values()], [name for _, name in kept.values()], list(kept)


def training_set(
    images: Any,
    labels: Sequence[str] | None,
    *,
    shots: int | None,
    seed: int,
    allow_fewer: bool,
    content: ContentHash = content_hash,
) -> LabelledPhotos:
    """Return what ``labelled_photos`` finds for training, each picture once.

    The classes are in the order in which they first came. ``content`` is for a folder, as in ``read_folder``.

    Raises:
        DataError: as there and in ``distinct_photos``, or a single class.
        ClassNameError: names that differ in upper and lower case alone.
    """
    if labels is None:
        drawn = _drawn(images, content, split="train", shots=shots, seed=seed, allow_fewer=allow_fewer)
        photos, names, hashes = distinct_photos(drawn.photos, drawn.names, drawn.hashes)
    else:
        photos, names, hashes = distinct_photos(*labelled_photos(images, labels, split="train"))
    class_names = clean_names(dict.fromkeys(names))
    if len(class_names) < 2:
        only = f"All images are of one class, {class_names[0]!r}"
        raise DataError(f"{only}; training needs two or more. Prediction with one class works: use zero_shot.")
    indices = tuple(class_names.index(name) for name in names)
    return LabelledPhotos(tuple(photos), tuple(hashes), indices, class_names)


def duplicates(first: LabelledPhotos, second: LabelledPhotos) -> list[tuple[PhotoSource, PhotoSource]]:
    """Return pairs of photos, one of each set, that hold the same picture: a leak from train to test."""
    where = dict(zip(first.hashes, first.photos, strict=True))
    return [(where[h], p) for h, p in zip(second.hashes, second.photos, strict=True) if h in where]


def stratified_folds(labels: Sequence[int], folds: int, *, seed: int) -> list[list[int]]:
    """Return indices of each fold: disjoint, together everything, each class spread as evenly as it goes.

    Classes with a single image stay out of every fold, so that no training loses a whole class.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[int]] = [[] for _ in range(folds)]
    turn = 0
    for label in sorted(set(labels)):
        members = [i for i, other in enumerate(labels) if other == label]
        if len(members) < 2:
            continue
        for i in rng.permutation(members).tolist():
            parts[turn % folds].append(i)
            turn += 1
    return [sorted(part) for part in parts if part]
