"""Data from Hugging Face's ``datasets``: its objects, or names that it knows. The package is optional."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gallop.data.labelled import LabelledPhotos, check_shots
from gallop.errors import ClassNameError, DataError, ImageError
from gallop.images import Photo, load_image
from gallop.names.class_names import clean_name
from gallop.wording import listed


def from_hugging_face(
    dataset: Any,
    *,
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    shots: int | None = None,
    seed: int = 0,
) -> LabelledPhotos:
    """Return photos in memory, named by their rows, from a data set of Hugging Face.

    In a class name ``_`` is a space, as in that of a folder. The classes are in the order in which they first come.

    Args:
        dataset: what ``datasets.load_dataset`` gives (not streaming), or a name or folder for it.
        image, label: columns; by default the only one of images, and the only one of classes.
        split: such as "train"; needed where there are several.
        shots: images of each class; None takes all. Drawn by a hash of the seed and the row's number, and only what is
            drawn is decoded.

    Raises:
        DataError: no package for a name, no such split or column, rows without class, or no readable image.
    """
    if isinstance(dataset, str):
        dataset = _load(dataset, split)
    dataset = _one_split(dataset, split)
    features = getattr(dataset, "features", None)
    if not isinstance(features, Mapping) or not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(
            f"A {type(dataset).__name__} is no data set of Hugging Face with columns and rows; a streaming one has to "
            "be loaded whole, with streaming=False."
        )
    image = _column(features, image, "Image", "image")
    label = _column(features, label, "ClassLabel", "label")
    names = _names(dataset, features, label)
    rows = range(len(names)) if shots is None else _draw(names, shots, seed)
    return _opened(((i, names[i], dataset[i][image]) for i in rows), len(rows))


def _opened(rows: Iterable[tuple[int, str, Any]], count: int) -> LabelledPhotos:
    """Decode rows, each a number, a class name and an image."""
    photos: list[Photo] = []
    names: list[str] = []
    skipped: list[tuple[Path | int, str]] = []
    for i, name, value in rows:
        try:
            photos.append(load_image(_picture(value), name=f"row {i}"))
            names.append(name)
        except ImageError as error:
            skipped.append((i, str(error)))
    if not photos:
        raise DataError(f"None of {count} images can be read; the first: {skipped[0][1] if skipped else 'no rows'}")
    class_names = tuple(dict.fromkeys(names))
    labels = tuple(map(class_names.index, names))
    return LabelledPhotos(tuple(photos), tuple(photo.sha256 for photo in photos), labels, class_names, tuple(skipped))


def _load(name: str, split: str | None) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"To load {name!r} by name, the package datasets is needed: pip install datasets. Or give a folder of "
            "class folders, or a CSV table."
        ) from error
    try:
        return datasets.load_dataset(name, split=split)
    except Exception as error:  # network, cache, an unknown name or split: each has its own
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"The package datasets could not load {name!r} ({reason}).") from error


def _one_split(dataset: Any, split: str | None) -> Any:
    """The split of a ``DatasetDict``; a data set of one split as it is."""
    if not isinstance(dataset, Mapping):
        return dataset
    splits = listed(list(map(str, dataset)))
    if split is None and len(dataset) == 1:
        return next(iter(dataset.values()))
    if split is None:
        raise DataError(f"This data set has several splits; choose one with split=: {splits}.")
    if split not in dataset:
        raise DataError(f"This data set has no split {split!r}; it has {splits}.")
    return dataset[split]


def _column(features: Mapping[str, Any], name: str | None, kind: str, argument: str) -> str:
    known = listed(list(features))
    if name is not None:
        if name not in features:
            raise DataError(f"There is no column {name!r}; the columns are {known}.")
        return name
    found = [column for column, feature in features.items() if type(feature).__name__ == kind]
    if len(found) != 1 and argument in features:
        return argument
    if len(found) != 1:
        what = "No column" if not found else f"More than one column ({listed(found)})"
        raise DataError(f"{what} is of the kind {kind}; choose one with {argument}=: {known}.")
    return found[0]


def _names(dataset: Any, features: Mapping[str, Any], column: str) -> list[str]:
    """The class name of each row; no image is decoded for it."""
    known = getattr(features[column], "names", None)
    names: list[str] = []
    for i, value in enumerate(dataset[column]):
        if known is not None and isinstance(value, int):
            if not 0 <= value < len(known):
                raise DataError(f"Row {i} has no class ({column} is {value}); this split is not labelled, or in part.")
            value = known[value]
        try:
            names.append(clean_name(value.replace("_", " ") if isinstance(value, str) else value))
        except ClassNameError as error:
            way = " Give a column of class names, or one that knows the names of its numbers."
            raise DataError(f"Row {i}, column {column}: {error}{'' if isinstance(value, str) else way}") from error
    return names


def _draw(names: list[str], shots: int, seed: int) -> list[int]:
    check_shots(shots)
    members: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        members.setdefault(name, []).append(i)
    for name, rows in members.items():
        if len(rows) < shots:
            raise DataError(f"The class {name!r} has {len(rows)} images, but {shots} shots were asked for.")
        rows.sort(key=lambda i: hashlib.sha256(f"{seed}|{i}".encode()).digest())
    return [i for rows in members.values() for i in rows[:shots]]


def _picture(value: Any) -> Any:
    """An image as ``load_image`` takes it: columns that are not decoded hold bytes, or the path of a file."""
    if isinstance(value, Mapping):
        return value.get("bytes") or value.get("path") or b""
    return value
