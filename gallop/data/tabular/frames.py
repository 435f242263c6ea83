"""Photos and labels in the columns of a DataFrame, of pandas or of another library that has them by name."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from gallop.data.labelled import ContentHash, LabelledPhotos
from gallop.data.tabular.columns import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    as_list,
    find_column,
    is_frame,
    named_kind,
    needed_column,
    only_column,
)
from gallop.data.tabular.files import TableNames, TableRow, photos_of_rows
from gallop.data.tabular.labels import is_missing, label_names
from gallop.data.tabular.lazy import Rows
from gallop.errors import DataError
from gallop.wording import listed


def from_frame(
    frame: Any, *, split: str, content: ContentHash, class_names: Sequence[str] | None = None
) -> LabelledPhotos:
    """Return every readable image of a table of paths and labels, as ``from_csv`` does it.

    Raises:
        DataError: as there; no table, or images in memory in place of paths.
    """
    if not is_frame(frame):
        raise DataError(f"A table was expected, not {named_kind(frame)}: give the path of a CSV file, or a DataFrame.")
    found = labelled_frame(frame, split=split, content=content, class_names=class_names)
    if isinstance(found, Rows):
        raise DataError("The images of this table are in memory, not paths: give the table to fit or score itself.")
    return found


def labelled_frame(
    frame: Any, *, split: str, content: ContentHash, class_names: Sequence[str] | None = None
) -> LabelledPhotos | Rows:
    """Return the photos of a table's columns ``image`` or ``path``, ``label`` and perhaps ``split``.

    Paths come back as files that were read, images in memory as rows of which none is decoded yet.

    Args:
        class_names: what numbers in the column of labels stand for.

    Raises:
        DataError: columns that are missing, an empty cell, and of paths what ``from_csv`` raises.
    """
    table = _names(frame)
    images = as_list(needed_column(frame, IMAGE_COLUMNS, "images"))
    labels = needed_column(frame, LABEL_COLUMNS, "labels")
    if not images:
        raise DataError(f"{table.whole} has no rows; give one for each image.")
    where = f"{table.whole}, row {{row}}: the label"
    names = label_names(labels, class_names, what=where, first=0, spelled=lambda text: text.replace("_", " "))
    parts = _splits(frame, table, len(images))
    for i, image in enumerate(images):
        if is_missing(image) or (isinstance(image, str) and not image.strip()):
            raise DataError(f"{table.whole}, row {i}: the image is missing; give its path, or leave the row out.")
    if all(isinstance(image, str | PathLike) for image in images):
        rows = (TableRow(i, Path(images[i]), names[i], parts[i]) for i in range(len(images)))
        return photos_of_rows(rows, table, split=split, content=content, order=class_names)
    taken = [i for i, part in enumerate(parts) if part in ("", split)]
    if not taken:
        raise DataError(
            f"{table.whole} has no rows of the split {split!r}; its splits are {listed(sorted(set(parts)))}."
        )
    return Rows(lambda i: images[i], [names[i] for i in taken], taken)


def image_column(frame: Any) -> list[Any]:
    """Return the images of a table, whether it has labels or not.

    Raises:
        DataError: several columns, none of which is called ``image`` or ``path``.
    """
    found = find_column(frame, IMAGE_COLUMNS)
    return as_list(only_column(frame) if found is None else found)


def _names(frame: Any) -> TableNames:
    kind = type(frame).__name__
    return TableNames(f"The {kind}", f"the {kind}", "row", Path.cwd())


def _splits(frame: Any, table: TableNames, count: int) -> list[str]:
    column = find_column(frame, ("split",))
    if column is None:
        return [""] * count
    return [part.casefold() for part in label_names(column, what=f"{table.whole}, row {{row}}: the split", first=0)]
