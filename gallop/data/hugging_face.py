"""Data from Hugging Face's ``datasets``: its objects, or names that it knows. The package is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gallop.data.labelled import LabelledPhotos
from gallop.data.tabular.columns import is_hugging_face, plain
from gallop.data.tabular.labels import names_of_numbers
from gallop.data.tabular.lazy import LazyImages, Rows
from gallop.errors import ClassNameError, DataError
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
    found = hugging_face_rows(_one_split(dataset, split), image=image, label=label)
    return found.drawn(shots, seed=seed)


def hugging_face_rows(
    dataset: Any, *, image: str | None = None, label: str | None = None, class_names: Sequence[str] | None = None
) -> Rows:
    """Return the rows of a data set of one split, none of which is decoded.

    Args:
        class_names: what numbers stand for in a column that does not know it.

    Raises:
        DataError: no data set, no such column, or rows without class.
    """
    features = _features(dataset)
    image = _column(features, image, "Image", "image")
    label = _column(features, label, "ClassLabel", "label")
    names = _names(dataset, features, label, class_names)
    return Rows(lambda i: dataset[i][image], names, range(len(names)))


def hugging_face_images(dataset: Any) -> LazyImages:
    """Return the images of a data set of one split, each decoded whenever it is asked for.

    Raises:
        DataError: no data set, or no column of images.
    """
    image = _column(_features(dataset), None, "Image", "image")
    return LazyImages(lambda i: dataset[i][image], range(len(dataset)))


def split_of(dataset: Mapping[str, Any], split: str) -> Any:
    """Return a part of a data set of several; where there is one part, that."""
    return _one_split(dataset, None if len(dataset) == 1 else split)


def _features(dataset: Any) -> Mapping[str, Any]:
    if not is_hugging_face(dataset):
        raise DataError(
            f"A {type(dataset).__name__} is no data set of Hugging Face with columns and rows; a streaming one has to "
            "be loaded whole, with streaming=False."
        )
    features: Mapping[str, Any] = dataset.features
    return features


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


def _names(dataset: Any, features: Mapping[str, Any], column: str, class_names: Sequence[str] | None) -> list[str]:
    """The class name of each row; no image is decoded for it."""
    own = getattr(features[column], "names", None)
    known = names_of_numbers(None if own is None else [name.replace("_", " ") for name in own], class_names)
    names: list[str] = []
    for i, value in enumerate(map(plain, dataset[column])):
        if known is not None and isinstance(value, int):
            if not 0 <= value < len(known):
                raise DataError(f"Row {i} has no class ({column} is {value}); this split is not labelled, or in part.")
            value = known[value]
        elif isinstance(value, str):
            value = value.replace("_", " ")
        try:
            names.append(clean_name(value))
        except ClassNameError as error:
            way = " Give a column of class names, one that knows the names of its numbers, or class_names=[...]."
            raise DataError(f"Row {i}, column {column}: {error}{'' if isinstance(value, str) else way}") from error
    return names
