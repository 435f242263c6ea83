"""Photos and labels in data sets: torch's, (image, label) by number, and those of Hugging Face's package ``datasets``.

torchvision's ``ImageFolder`` is among the former. The packages are optional: nothing here imports them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gallop.data.labelled import ContentHash, LabelledPhotos
from gallop.data.listing import LazyImages, Rows
from gallop.data.tabular.columns import (
    as_list,
    kinds,
    label_names,
    names_of_numbers,
    plain,
)
from gallop.data.tabular.tables import frame_names, photos_of_rows
from gallop.errors import DataError
from gallop.wording import listed, named_kind


def hugging_face_rows(dataset: Any, *, class_names: Sequence[str] | None = None) -> Rows:
    """Return the rows of a data set of one split, none of which is decoded. In a class name ``_`` is a space.

    Args:
        class_names: the class names of numbers in a column that does not have them.

    Raises:
        DataError: no column of images or of classes, or rows without class.
    """
    image, label = _column(dataset, "Image", "image"), _column(dataset, "ClassLabel", "label")
    names = label_names(
        dataset[label],
        _known_names(getattr(dataset.features[label], "names", None), class_names),
        what=f"Row {{row}}, column {label}: the label",
        first=0,
        spelled=lambda text: text.replace("_", " "),
    )
    return Rows(lambda i: dataset[i][image], names, range(len(names)))


def hugging_face_images(dataset: Any) -> LazyImages:
    """Return the images of a data set of one split, each decoded whenever it is asked for.

    Raises:
        DataError: no column of images.
    """
    image = _column(dataset, "Image", "image")
    return LazyImages(lambda i: dataset[i][image], range(len(dataset)))


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


def _column(dataset: Any, kind: str, usual: str) -> str:
    """Return the name of a column: the only one of a kind, or the one with the usual name."""
    columns: list[str] = [column for column, feature in dataset.features.items() if type(feature).__name__ == kind]
    if len(columns) == 1:
        return columns[0]
    if usual in dataset.features:
        return usual
    what = "No column" if not columns else f"More than one column ({listed(columns)})"
    raise DataError(
        f"{what} has the type {kind}. Use rename_column to name the column of the {usual}s {usual!r}. The "
        f"columns are {listed(list(dataset.features))}."
    )


def labelled_dataset(
    dataset: Any, *, content: ContentHash, class_names: Sequence[str] | None = None
) -> LabelledPhotos | Rows:
    """Return photos and class names: of an ``ImageFolder`` its files, read as those of a folder, of others their rows.

    Transforms of an ``ImageFolder`` are left out, since the backbone preprocesses photos. In names from the data set,
    ``_`` is a space. Classes without a row are left out.

    Args:
        class_names: of numbers; by default those in the data set's ``classes``.

    Raises:
        DataError: items that are not (image, label), numbers without names, or no readable image.
    """
    root, numbers = _full_set(dataset)
    table = frame_names(root)
    if not numbers:
        raise DataError(f"{table.name} has no rows. Add one row for each image.")
    known = _known_names(getattr(root, "classes", None) or getattr(root, "categories", None), class_names)
    where = f"{table.name}, row {{row}}: the label"
    if "DatasetFolder" in kinds(root):
        files, labels = zip(*(root.samples[i] for i in numbers), strict=True)
        names = label_names(labels, known, what=where, first=0)
        return photos_of_rows(files, names, table, content=content, order=class_names or known)
    names = label_names(_labels(root, numbers), known, what=where, first=0)
    return Rows(lambda i: _image(root[i]), names, numbers)


def dataset_images(dataset: Any) -> Sequence[Any]:
    """Return the images of a data set, with or without labels: files as they are, others decoded when asked for."""
    root, numbers = _full_set(dataset)
    if "DatasetFolder" in kinds(root):
        return [Path(root.samples[i][0]) for i in numbers]
    return LazyImages(lambda i: _image(root[i]), numbers)


def _full_set(dataset: Any) -> tuple[Any, list[int]]:
    """The data set that a ``Subset`` is a part of, and the rows of it."""
    numbers = list(range(len(dataset)))
    while "Subset" in kinds(dataset):
        numbers = [int(dataset.indices[i]) for i in numbers]
        dataset = dataset.dataset
    return dataset, numbers


def _known_names(known: Any, class_names: Sequence[str] | None) -> Sequence[str] | None:
    """The names of numbers, from the data set if it has some (of several for one number, the first), else the given."""
    names = known if isinstance(known, list | tuple) else ()
    stored = [name[0] if isinstance(name, tuple) and name else name for name in names]
    if not stored or not all(isinstance(name, str) for name in stored):
        return class_names
    return names_of_numbers([name.replace("_", " ") for name in stored], class_names)


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


def _image(item: Any) -> Any:
    return item[0] if isinstance(item, list | tuple) and item else item
