"""Data sets in torch's manner, (image, label) by number, torchvision's ``ImageFolder`` among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gallop.data.labelled import ContentHash, LabelledPhotos
from gallop.data.tabular.columns import IMAGE_COLUMNS, LABEL_COLUMNS, as_list, find_column, kinds, named_kind, plain
from gallop.data.tabular.files import TableNames, photos_of_rows, rows_of_files
from gallop.data.tabular.labels import label_names, names_of_numbers
from gallop.data.tabular.lazy import LazyImages, Rows
from gallop.errors import DataError

_LABELS = ("targets", "labels", "_labels")
"""Where torchvision's data sets keep the labels of all rows, so that no image is decoded to know them."""


def labelled_dataset(
    dataset: Any, *, content: ContentHash, class_names: Sequence[str] | None = None
) -> LabelledPhotos | Rows:
    """Return photos and class names: of an ``ImageFolder`` its files, read as those of a folder, of others their rows.

    Transforms of an ``ImageFolder`` are left out: the tower has its own. In names that the data set knows, ``_`` is a
    space. Classes of which there is no row are left out.

    Args:
        class_names: what numbers stand for; by default what the data set says in ``classes``.

    Raises:
        DataError: items that are no (image, label), numbers without names, or no readable image.
    """
    root, numbers = _whole(dataset)
    kind = type(root).__name__
    table = TableNames(f"The {kind}", f"the {kind}", "row", Path.cwd())
    if not numbers:
        raise DataError(f"{table.whole} has no rows; give one for each image.")
    known = names_of_numbers(_known_names(root), class_names)
    where = f"{table.whole}, row {{row}}: the label"
    if "DatasetFolder" in kinds(root):
        files = [root.samples[i] for i in numbers]
        names = label_names([label for _, label in files], known, what=where, first=0)
        rows = rows_of_files([path for path, _ in files], names)
        return photos_of_rows(rows, table, split="train", content=content, order=class_names or known)
    names = label_names(_labels(root, numbers), known, what=where, first=0)
    return Rows(lambda i: _image(root[i]), names, numbers)


def dataset_images(dataset: Any) -> Sequence[Any]:
    """Return the images of a data set, with or without labels: files as they are, others decoded when asked for."""
    root, numbers = _whole(dataset)
    if "DatasetFolder" in kinds(root):
        return [Path(root.samples[i][0]) for i in numbers]
    return LazyImages(lambda i: _image(root[i]), numbers)


def _whole(dataset: Any) -> tuple[Any, list[int]]:
    """The data set that a ``Subset`` is a part of, and the rows of it."""
    numbers = list(range(len(dataset)))
    while "Subset" in kinds(dataset):
        numbers = [int(dataset.indices[i]) for i in numbers]
        dataset = dataset.dataset
    return dataset, numbers


def _known_names(root: Any) -> list[str] | None:
    """The names that the data set has for its numbers; of several for one, the first."""
    known = getattr(root, "classes", None) or getattr(root, "categories", None)
    if not isinstance(known, list | tuple):
        return None
    first = [name[0] if isinstance(name, tuple) and name else name for name in known]
    return [name.replace("_", " ") for name in first] if all(isinstance(name, str) for name in first) else None


def _labels(root: Any, numbers: Sequence[int]) -> list[Any]:
    if getattr(root, "target_transform", None) is None:
        for name in _LABELS:
            kept = getattr(root, name, None)
            if kept is None or not hasattr(kept, "__len__") or len(kept) != len(root):
                continue
            kept = as_list(kept)
            if all(isinstance(plain(kept[i]), int | str) for i in numbers):
                return [kept[i] for i in numbers]
    return [_label(root[i], i, root) for i in numbers]


def _label(item: Any, row: int, root: Any) -> Any:
    if isinstance(item, Mapping):
        found = find_column(item, LABEL_COLUMNS)
    else:
        found = item[1] if isinstance(item, list | tuple) and len(item) > 1 else None
    if found is None:
        raise DataError(
            f"Row {row} of the {type(root).__name__} is {named_kind(item)}; to learn from it or to score it, each has "
            "to be (image, label)."
        )
    return found


def _image(item: Any) -> Any:
    if isinstance(item, Mapping) and "bytes" not in item:
        return find_column(item, IMAGE_COLUMNS)
    return item[0] if isinstance(item, list | tuple) and item else item
