"""Data of one's own as a table: a CSV file with the columns ``path`` and ``label``, and perhaps ``split``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from gallop.data.labelled import ContentHash, LabelledPhotos, content_hash
from gallop.data.tabular.columns import Frame
from gallop.data.tabular.files import TableNames, TableRow, photos_of_rows
from gallop.data.tabular.frames import from_frame
from gallop.errors import ClassNameError, DataError
from gallop.names.class_names import clean_name
from gallop.runtime.reading import open_file

_NEEDED, SPLIT = ("path", "label"), "split"
_SEPARATORS = (",", ";", "\t")
"""As programs write "CSV"; the header tells which."""
LARGEST_TABLE, LONGEST_HEADER = 2**30, 2**16
"""Bytes, and characters."""


def is_csv(path: str | PathLike[str]) -> bool:
    """Return whether a path is that of a table, by its ending."""
    return Path(path).suffix.lower() == ".csv"


def csv_splits(path: str | PathLike[str]) -> tuple[str, ...]:
    """Return the splits that a table names, in order of their first row; none without the column. No image is opened.

    Raises:
        DataError: as ``from_csv``.
    """
    return tuple(dict.fromkeys(row.split for row in _rows(Path(path)) if row.split))


def csv_images(path: str | PathLike[str]) -> list[Path]:
    """Return the files that a table names in its column ``path``, in order; it needs no other. No image is opened.

    Raises:
        DataError: a table that cannot be read, or a row without path.
    """
    return [row.path for row in _rows(Path(path), needed=("path",))]


def from_csv(
    path: str | PathLike[str] | Frame, *, split: str = "train", content: ContentHash = content_hash
) -> LabelledPhotos:
    """Return every readable image of a table, as ``read_folder`` does it: a picture twice in a class counts once.

    The first line names the columns: ``path`` (relative ones begin at the table's folder), ``label``, and where the
    table has several parts ``split``; others are left alone. In a label ``_`` is a space, as in the name of a
    folder. The classes come in alphabetical order.

    Args:
        path: of the table; or a DataFrame with these columns, whose relative paths begin at the working folder.
        split: the part that is read where the table has the column; without it, all rows are.
        content: tells the content of each file, as in ``read_folder``.

    Raises:
        DataError: a table that cannot be read, a row without label or whose file is not there (its line is named), no
            row or no readable image of the split, or one picture in two classes.
        ClassNameError: labels that differ in upper and lower case alone.
    """
    if not isinstance(path, str | PathLike):
        return from_frame(path, split=split, content=content)
    path = Path(path)
    names = TableNames(str(path), path.name, "line", path.parent)
    return photos_of_rows(_rows(path), names, split=split, content=content)


def _rows(path: Path, needed: Sequence[str] = _NEEDED) -> Iterator[TableRow]:
    """The rows of a table, checked; empty lines are left out."""
    try:
        # Excel puts a mark before the text.
        with io.TextIOWrapper(open_file(path, LARGEST_TABLE), encoding="utf-8-sig", newline="") as file:
            header = file.readline(LONGEST_HEADER)
            file.seek(0)
            separator = max(_SEPARATORS, key=header.count)
            reader = csv.reader(file, delimiter=separator, strict=True)
            yield from _checked(path, reader, needed)
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there; give the path of a table with the columns path and label.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8; save it as CSV in UTF-8.") from error


def _checked(path: Path, reader: Any, needed: Sequence[str]) -> Iterator[TableRow]:
    columns: list[str] | None = None
    count = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(path, cells, needed)
                continue
            count += 1
            yield _row(path, reader.line_num, columns, cells, needed)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: this is no CSV ({error}).") from error
    if columns is None or not count:
        raise DataError(f"{path} has no rows; write a first line path,label and a line for each image.")


def _columns(path: Path, cells: list[str], needed: Sequence[str]) -> list[str]:
    columns = [cell.strip().casefold() for cell in cells]
    if not set(needed) <= set(columns):
        named = ", ".join(cell.strip() for cell in cells)[:80]
        wanted = f"column{'s' * (len(needed) > 1)} {' and '.join(needed)}"
        raise DataError(f"{path}, line 1: the first line has to name the {wanted}; it says {named!r}.")
    twice = [name for name in (*_NEEDED, SPLIT) if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path}, line 1: the column {twice[0]} is there twice; rename one.")
    return columns


def _row(path: Path, line: int, columns: list[str], cells: list[str], needed: Sequence[str]) -> TableRow:
    if len(cells) != len(columns):
        raise DataError(
            f"{path}, line {line}: there are {len(cells)} cells, but {len(columns)} columns; put a text that holds the "
            "separator in quotation marks."
        )
    values = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
    for name in (*needed, *([SPLIT] if SPLIT in columns else [])):
        if not values[name]:
            raise DataError(f"{path}, line {line}: the {name} is empty.")
    try:
        label = _class_name(values["label"]) if "label" in needed else ""
    except ClassNameError as error:
        raise DataError(f"{path}, line {line}: {error}") from error
    return TableRow(line, _beside(path, values["path"]), label, values.get(SPLIT, "").casefold())


@lru_cache(maxsize=4096)  # a table has many rows and few labels
def _class_name(label: str) -> str:
    return clean_name(label.replace("_", " "))


@lru_cache(maxsize=4096)
def _beside(table: Path, path: str) -> Path:
    return table.parent / path
