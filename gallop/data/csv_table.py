"""Data of one's own as a table: a CSV file with the columns ``path`` and ``label``, and perhaps ``split``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from gallop.data.labelled import ContentHash, LabelledPhotos, content_hash
from gallop.errors import ClassNameError, DataError, ImageError
from gallop.names.class_names import clean_name, clean_names
from gallop.runtime.reading import open_file
from gallop.wording import listed

_NEEDED, SPLIT = ("path", "label"), "split"
_SEPARATORS = (",", ";", "\t")
"""As programs write "CSV"; the header tells which."""
LARGEST_TABLE, LONGEST_HEADER = 2**30, 2**16
"""Bytes, and characters."""
MOST_GONE = 1000
"""Rows whose file is not there, after which no further row is looked at."""


class _Row(NamedTuple):
    line: int
    path: Path
    label: str
    split: str


def is_csv(path: str | PathLike[str]) -> bool:
    """Return whether a path is that of a table, by its ending."""
    return Path(path).suffix.lower() == ".csv"


def csv_splits(path: str | PathLike[str]) -> tuple[str, ...]:
    """Return the splits that a table names, in order of their first row; none without the column. No image is opened.

    Raises:
        DataError: as ``from_csv``.
    """
    return tuple(dict.fromkeys(row.split for row in _rows(Path(path)) if row.split))


def from_csv(path: str | PathLike[str], *, split: str = "train", content: ContentHash = content_hash) -> LabelledPhotos:
    """Return every readable image of a table, as ``read_folder`` does it: a picture twice in a class counts once.

    The first line names the columns: ``path`` (relative ones begin at the table's folder), ``label``, and where the
    table has several parts ``split``; others are left alone. In a label ``_`` is a space, as in the name of a
    folder. The classes come in alphabetical order.

    Args:
        split: the part that is read where the table has the column; without it, all rows are.
        content: tells the content of each file, as in ``read_folder``.

    Raises:
        DataError: a table that cannot be read, a row without label or whose file is not there (its line is named), no
            row or no readable image of the split, or one picture in two classes.
        ClassNameError: labels that differ in upper and lower case alone.
    """
    path = Path(path)
    rows, gone = [], []
    splits: dict[str, None] = {}
    there: dict[Path, bool] = {}  # by path, so that a file is looked for once however often it is named
    for row in _rows(path):
        splits.setdefault(row.split)
        if row.split not in ("", split.casefold()):
            continue
        rows.append(row)
        if row.path not in there:
            there[row.path] = row.path.is_file()
        if not there[row.path]:
            gone.append(row)
            if len(gone) > MOST_GONE:
                break
    if gone:
        raise DataError(_gone(path, gone))
    if not rows:
        raise DataError(f"{path} has no rows of the split {split!r}; its splits are {listed(list(splits))}.")
    return _dataset(path, rows, content)


def _gone(table: Path, rows: list[_Row]) -> str:
    more = "" if len(rows) == 1 else f", and {len(rows) - 1} more rows name files that are not there"
    if len(rows) > MOST_GONE:
        more = f", and more than {MOST_GONE - 1} more rows name files that are not there"
    return (
        f"{table}, line {rows[0].line}: there is no file {rows[0].path}{more}. Relative paths begin at {table.parent}."
    )


def _dataset(table: Path, rows: list[_Row], content: ContentHash) -> LabelledPhotos:
    class_names = clean_names(sorted({row.label for row in rows}))
    kept: dict[str, _Row] = {}
    skipped: list[tuple[Path, str]] = []
    digests: dict[Path, str | None] = {}
    for row in rows:
        if row.path not in digests:
            try:
                digests[row.path] = content(row.path)
            except ImageError as error:
                digests[row.path] = None
                skipped.append((row.path, f"{error} (line {row.line} of {table.name})"))
        digest = digests[row.path]
        if digest is None:
            continue
        first = kept.setdefault(digest, row)
        if first.label != row.label:
            raise DataError(
                f"{table}, lines {first.line} and {row.line}: {first.path} and {row.path} are the same picture, "
                f"labelled {first.label!r} and {row.label!r}; take one away."
            )
    if not kept:
        raise DataError(f"None of the {len(digests)} images of {table} can be read; the first: {skipped[0][1]}")
    number = {name: i for i, name in enumerate(class_names)}
    order = sorted(kept.items(), key=lambda item: number[item[1].label])
    return LabelledPhotos(
        tuple(row.path for _, row in order),
        tuple(digest for digest, _ in order),
        tuple(number[row.label] for _, row in order),
        class_names,
        tuple(skipped),
    )


def _rows(path: Path) -> Iterator[_Row]:
    """The rows of a table, checked; empty lines are left out."""
    try:
        # Excel puts a mark before the text.
        with io.TextIOWrapper(open_file(path, LARGEST_TABLE), encoding="utf-8-sig", newline="") as file:
            header = file.readline(LONGEST_HEADER)
            file.seek(0)
            separator = max(_SEPARATORS, key=header.count)
            reader = csv.reader(file, delimiter=separator, strict=True)
            yield from _checked(path, reader)
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there; give the path of a table with the columns path and label.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8; save it as CSV in UTF-8.") from error


def _checked(path: Path, reader: Any) -> Iterator[_Row]:
    columns: list[str] | None = None
    count = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(path, cells)
                continue
            count += 1
            yield _row(path, reader.line_num, columns, cells)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: this is no CSV ({error}).") from error
    if columns is None or not count:
        raise DataError(f"{path} has no rows; write a first line path,label and a line for each image.")


def _columns(path: Path, cells: list[str]) -> list[str]:
    columns = [cell.strip().casefold() for cell in cells]
    if not set(_NEEDED) <= set(columns):
        named = ", ".join(cell.strip() for cell in cells)[:80]
        raise DataError(f"{path}, line 1: the first line has to name the columns path and label; it says {named!r}.")
    twice = [name for name in (*_NEEDED, SPLIT) if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path}, line 1: the column {twice[0]} is there twice; rename one.")
    return columns


def _row(path: Path, line: int, columns: list[str], cells: list[str]) -> _Row:
    if len(cells) != len(columns):
        raise DataError(
            f"{path}, line {line}: there are {len(cells)} cells, but {len(columns)} columns; put a text that holds the "
            "separator in quotation marks."
        )
    values = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
    for name in (*_NEEDED, *([SPLIT] if SPLIT in columns else [])):
        if not values[name]:
            raise DataError(f"{path}, line {line}: the {name} is empty.")
    try:
        label = _class_name(values["label"])
    except ClassNameError as error:
        raise DataError(f"{path}, line {line}: {error}") from error
    return _Row(line, _beside(path, values["path"]), label, values.get(SPLIT, "").casefold())


@lru_cache(maxsize=4096)  # a table has many rows and few labels
def _class_name(label: str) -> str:
    return clean_name(label.replace("_", " "))


@lru_cache(maxsize=4096)
def _beside(table: Path, path: str) -> Path:
    return table.parent / path
