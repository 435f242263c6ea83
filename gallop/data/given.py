"""What ``fit``, ``score`` and ``predict`` are given: whatever holds photos comes in, photos and names go out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from gallop.data.folders import read_folder
from gallop.data.labelled import ContentHash, LabelledPhotos, PhotoSource, content_hash
from gallop.errors import DataError
from gallop.images import load_image
from gallop.names.class_names import clean_name, clean_names


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
