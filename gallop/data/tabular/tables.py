"""Photos and labels in tables: CSV files with the columns ``path``, ``label`` and perhaps ``split``, and data frames.

A frame is of pandas or of another library that has columns by name. An error in a row names its place.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from gallop.data.labelled import ContentHash, LabelledPhotos, content_hash, read_files
from gallop.data.listing import Rows
from gallop.data.tabular.columns import (
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    as_list,
    find_column,
    is_missing,
    label_names,
    needed_column,
    only_column,
)
from gallop.errors import ClassNameError, DataError
from gallop.names.class_names import clean_name, clean_names
from gallop.runtime.reading import open_file
from gallop.wording import listed

_NEEDED, _SPLIT = ("path", "label"), "split"
_SEPARATORS = (",", ";", "\t")
"""As programs write "CSV"; the header tells which."""
LARGEST_TABLE, LONGEST_HEADER = 2**30, 2**16
"""Bytes, and characters."""


class TableRow(NamedTuple):
    """A row; ``split`` is empty where the table has no such column."""

    number: int
    path: Path
    label: str
    split: str = ""


@dataclass(frozen=True)
class TableNames:
    """What messages call a table and its rows.

    Attributes:
        name, short: the table, at the beginning of a sentence and after a row.
        row: "line" or "row".
        folder: where relative paths begin.
    """

    name: str
    short: str
    row: str
    folder: Path


def is_csv(path: str | PathLike[str]) -> bool:
    """Return whether a path is that of a table, by its ending."""
    return Path(path).suffix.lower() == ".csv"


def csv_splits(path: str | PathLike[str]) -> tuple[str, ...]:
    """Return the splits that a table names, in order of their first row; none without the column. No image is opened.

    Raises:
        DataError: as ``from_csv``.
    """
    return tuple(dict.fromkeys(row.split for row in _csv_rows(Path(path)) if row.split))


def csv_images(path: str | PathLike[str]) -> list[Path]:
    """Return the files that a table names in its column ``path``, in order; it needs no other. No image is opened.

    Raises:
        DataError: a table that cannot be read, or a row without path.
    """
    return [row.path for row in _csv_rows(Path(path), needed=("path",))]


def from_csv(path: str | PathLike[str], *, split: str = "train", content: ContentHash = content_hash) -> LabelledPhotos:
    """Return every readable image of a table, as ``read_folder`` does it: a picture twice in a class counts once.

    The first line names the columns: ``path`` (relative ones begin at the table's folder), ``label``, and where the
    table has several parts ``split``; others are left alone. In a label ``_`` is a space, as in the name of a
    folder. The classes come in alphabetical order.

    Args:
        split: the part that is read where the table has the column; without it, all rows are.
        content: gives the hash of each file's picture, as in ``read_folder``.

    Raises:
        DataError: a table that cannot be read, a row without label or whose file is not there (its line is named), no
            row or no readable image of the split, or one picture in two classes.
        ClassNameError: labels that differ in upper and lower case alone.
    """
    path = Path(path)
    return _read_rows(
        _csv_rows(path), TableNames(str(path), path.name, "line", path.parent), split=split, content=content
    )


def labelled_frame(
    frame: Any, *, split: str, content: ContentHash, class_names: Sequence[str] | None = None
) -> LabelledPhotos | Rows:
    """Return the photos of a table's columns ``image`` or ``path``, ``label`` and perhaps ``split``.

    Paths come back as files that were read, images in memory as rows of which none is decoded yet.

    Args:
        class_names: the class names of numbers in the column of labels.

    Raises:
        DataError: columns that are missing, an empty cell, and of paths what ``from_csv`` raises.
    """
    table = frame_names(frame)
    images = as_list(needed_column(frame, IMAGE_COLUMNS, "images"))
    labels = needed_column(frame, LABEL_COLUMNS, "labels")
    if not images:
        raise DataError(f"{table.name} has no rows. Add one row for each image.")
    where = f"{table.name}, row {{row}}: the "
    names = label_names(labels, class_names, what=f"{where}label", first=0, spelled=lambda text: text.replace("_", " "))
    column = find_column(frame, (_SPLIT,))
    splits = [""] * len(images) if column is None else label_names(column, what=f"{where}split", first=0)
    for i, image in enumerate(images):
        if is_missing(image) or (isinstance(image, str) and not image.strip()):
            raise DataError(f"{table.name}, row {i}: the image is missing. Add its path, or leave the row out.")
    return photos_of_rows(images, names, table, content=content, order=class_names, splits=splits, split=split)


def image_column(frame: Any) -> list[Any]:
    """Return the images of a table, whether it has labels or not.

    Raises:
        DataError: several columns, none of which is called ``image`` or ``path``.
    """
    column = find_column(frame, IMAGE_COLUMNS)
    return as_list(only_column(frame) if column is None else column)


def frame_names(frame: Any) -> TableNames:
    """Return what messages call a table, or a data set, in memory."""
    kind = type(frame).__name__
    return TableNames(f"The {kind}", f"the {kind}", "row", Path.cwd())


def photos_of_rows(
    images: Sequence[Any],
    names: Sequence[str],
    table: TableNames,
    *,
    content: ContentHash,
    order: Sequence[str] | None,
    splits: Sequence[str] | None = None,
    split: str = "train",
) -> LabelledPhotos | Rows:
    """Return n images with class names: read where all are paths, else as rows of which none is decoded yet.

    Args:
        order: of the classes; None is the alphabet's. Those without a row are left out.
        splits: n parts that the rows are of, where there are several.
        split: the part that is taken.

    Raises:
        DataError: no row of the split, and of paths what ``from_csv`` raises.
    """
    parts = [part.casefold() for part in splits or [""] * len(names)]
    if all(isinstance(image, str | PathLike) for image in images):
        cells = enumerate(zip(images, names, parts, strict=True))
        rows = (TableRow(i, Path(image), name, part) for i, (image, name, part) in cells)
        return _read_rows(rows, table, split=split, content=content, order=order)
    taken = [i for i, part in enumerate(parts) if part in ("", split)]
    if not taken:
        raise _no_rows(table, split, sorted(set(parts)))
    return Rows(lambda i: images[i], [names[i] for i in taken], taken)


def _no_rows(table: TableNames, split: str, splits: Sequence[str]) -> DataError:
    return DataError(f"{table.name} has no rows of the split {split!r}; its splits are {listed(splits)}.")


def _read_rows(
    rows: Iterable[TableRow],
    table: TableNames,
    *,
    split: str,
    content: ContentHash,
    order: Sequence[str] | None = None,
) -> LabelledPhotos:
    taken = []
    splits: dict[str, None] = {}
    is_file = cache(Path.is_file)  # a file is looked for once however often it is named
    for row in rows:
        splits.setdefault(row.split)
        if row.split not in ("", split.casefold()):
            continue
        taken.append(row)
        if not is_file(row.path):
            raise DataError(
                f"{table.name}, {table.row} {row.number}: the file {row.path} does not exist. Relative paths start "
                f"at {table.folder}."
            )
    if not taken:
        raise _no_rows(table, split, list(splits))
    labels = {row.label for row in taken}
    class_names = clean_names(sorted(labels) if order is None else [name for name in order if name in labels])
    labelled = read_files(
        ((row.path, row.label, f" ({table.row} {row.number} of {table.short})") for row in taken), class_names, content
    )
    if not labelled.photos:
        raise DataError(
            f"{table.name}: none of the {len(labelled.skipped)} images could be read. First error: "
            f"{labelled.skipped[0][1]}"
        )
    return labelled


def _csv_rows(path: Path, needed: Sequence[str] = _NEEDED) -> Iterator[TableRow]:
    """The rows of a CSV file, checked; empty lines are left out."""
    try:
        # Excel puts a mark before the text.
        with io.TextIOWrapper(open_file(path, LARGEST_TABLE), encoding="utf-8-sig", newline="") as file:
            header = file.readline(LONGEST_HEADER)
            file.seek(0)
            reader = csv.reader(file, delimiter=max(_SEPARATORS, key=header.count), strict=True)
            try:
                yield from _checked(path, reader, needed)
            except csv.Error as error:
                raise DataError(f"{path}, line {reader.line_num}: this is not valid CSV ({error}).") from error
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. Pass the path of a table with the columns path and label.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text. Save it as CSV in UTF-8.") from error


def _checked(path: Path, reader: Any, needed: Sequence[str]) -> Iterator[TableRow]:
    lines = ((reader.line_num, [cell.strip() for cell in cells]) for cells in reader)
    filled = ((number, cells) for number, cells in lines if any(cells))
    _, first = next(filled, (1, []))
    columns = [cell.casefold() for cell in first]
    if first and not set(needed) <= set(columns):
        wanted = f"column{'s' * (len(needed) > 1)} {' and '.join(needed)}"
        raise DataError(f"{path}, line 1: the first line must name the {wanted}, but it is {', '.join(first)[:80]!r}.")
    for name in (*_NEEDED, _SPLIT):
        if columns.count(name) > 1:
            raise DataError(f"{path}, line 1: the column {name} appears twice. Rename one.")
    checked = {*needed, _SPLIT}.intersection(columns)
    line = 0
    for line, cells in filled:
        where = f"{path}, line {line}:"
        if len(cells) != len(columns):
            raise DataError(
                f"{where} there are {len(cells)} cells, but the first line names {len(columns)} columns. Put "
                "quotation marks around text that contains the separator."
            )
        values = dict(zip(columns, cells, strict=True))
        empty = [name for name in columns if name in checked and not values[name]]
        if empty:
            raise DataError(f"{where} the {empty[0]} is empty.")
        try:
            label = _class_name(values["label"]) if "label" in needed else ""
        except ClassNameError as error:
            raise DataError(f"{where} {error}") from error
        yield TableRow(line, _beside(path, values["path"]), label, values.get(_SPLIT, "").casefold())
    if not line:
        raise DataError(f"{path} has no rows. Write path,label as the first line, then a line for each image.")


@lru_cache(maxsize=4096)  # a table has many rows and few labels
def _class_name(label: str) -> str:
    return clean_name(label.replace("_", " "))


@lru_cache(maxsize=4096)
def _beside(table: Path, path: str) -> Path:
    return table.parent / path
