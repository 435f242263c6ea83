"""Data frames and data sets of other packages as tables of images: those of pandas and others, which have columns by
name, Hugging Face's, and torch's of (image, label) by number.

torchvision's ``ImageFolder`` is among the last. The packages are optional: nothing here imports them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gallop.data.listing import LazyImages
from gallop.data.tabular.columns import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    as_list,
    column_names,
    find_column,
    is_hugging_face,
    kinds,
    label_names,
    names_of_numbers,
    plain,
)
from gallop.data.tabular.tables import SPLIT, ImageTable
from gallop.errors import DataError
from gallop.wording import listed, named_kind


def frame_table(frame: Any) -> ImageTable:
    """Return the columns ``image`` or ``path``, ``label`` and perhaps ``split`` of a table in memory, or the columns of
    images and of classes of a data set of Hugging Face's, whose images are decoded when they are asked for.

    In a class name ``_`` is a space.

    Raises:
        DataError: several columns, none of which is one of images; when labels are asked for, no column of them.
    """
    called, lazy = type(frame).__name__, is_hugging_face(frame)
    image, label = find_column(frame, IMAGE_COLUMNS, "Image"), find_column(frame, LABEL_COLUMNS, "ClassLabel")
    split = None if lazy else find_column(frame, (SPLIT,))

    def no_column(what: str, wanted: Sequence[str]) -> DataError:
        return DataError(
            f"The {called} has no column of {what}. Rename the column with the {what} to {' or '.join(wanted[:2])}, or "
            f"pass one of the columns; its columns are {listed(list(map(str, column_names(frame))))}."
        )

    def names(class_names: Sequence[str] | None) -> list[str]:
        if image is None:
            raise no_column("images", IMAGE_COLUMNS)
        if label is None:
            raise no_column("labels", LABEL_COLUMNS)
        stored = getattr(frame.features[label], "names", None) if lazy else None
        where, known = f"The {called}, row {{row}}: the label", names_of_numbers(stored, class_names)
        return label_names(frame[label], known, what=where, first=0, spelled=lambda text: text.replace("_", " "))

    column = column_names(frame)[0] if image is None and len(column_names(frame)) == 1 else image
    if column is None:
        raise no_column("images", IMAGE_COLUMNS)
    images = LazyImages(lambda i: frame[i][column], range(len(frame))) if lazy else as_list(frame[column])
    return ImageTable(f"The {called}", images, names, splits=None if split is None else frame[split])


def data_set_table(dataset: Any) -> ImageTable:
    """Return the rows of a data set: of an ``ImageFolder`` its files, of others images that are decoded when needed.

    Transforms of an ``ImageFolder`` are left out, since the backbone preprocesses photos. In names from the data set,
    ``_`` is a space.

    Raises:
        DataError: when labels are asked for, items that are not (image, label), or numbers without names.
    """
    root, numbers = dataset, list(range(len(dataset)))
    while "Subset" in kinds(root):
        root, numbers = root.dataset, [int(root.indices[i]) for i in numbers]
    files, name = "DatasetFolder" in kinds(root), f"The {type(root).__name__}"
    stored = getattr(root, "classes", None) or getattr(root, "categories", None)

    def names(class_names: Sequence[str] | None) -> list[str]:
        labels = [root.samples[i][1] for i in numbers] if files else _labels(root, numbers)
        known = names_of_numbers(stored, class_names)
        return label_names(labels, known, what=f"{name}, row {{row}}: the label", first=0)

    def image(i: int) -> Any:
        item = root[i]
        return item[0] if isinstance(item, list | tuple) and item else item

    images = [Path(root.samples[i][0]) for i in numbers] if files else LazyImages(image, numbers)
    return ImageTable(name, images, names)


def _labels(root: Any, numbers: Sequence[int]) -> list[Any]:
    if getattr(root, "target_transform", None) is None:
        # Where torchvision's data sets keep the labels of all rows, so that no image is decoded to know them.
        for name in ("targets", "labels", "_labels"):
            labels = getattr(root, name, ())
            if hasattr(labels, "__len__") and len(labels) == len(root):
                labels = as_list(labels)
                if all(isinstance(plain(labels[i]), int | str) for i in numbers):
                    return [labels[i] for i in numbers]
    return [_label(root[i], i, root) for i in numbers]


def _label(item: Any, row: int, root: Any) -> Any:
    if not isinstance(item, list | tuple) or len(item) < 2:
        raise DataError(
            f"Row {row} of the {type(root).__name__} is {named_kind(item)}. For training and scoring, each row must "
            "be a pair (image, label)."
        )
    return item[1]


def split_of(dataset: Mapping[str, Any], split: str) -> Any:
    """Return a part of a data set of several; where there is one part, that.

    Raises:
        DataError: there is no such split.
    """
    if len(dataset) == 1:
        return next(iter(dataset.values()))
    if split not in dataset:
        raise DataError(f"This data set has no split {split!r}; it has {listed(list(map(str, dataset)))}.")
    return dataset[split]
