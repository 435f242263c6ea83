"""Photos and labels in tables: CSV files with the columns ``path``, ``label`` and perhaps ``split``, and data frames.

A frame is of pandas or of another library that has columns by name. An error in a row names its place.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, cast

from gallop.data.labelled import ContentHash, LabelledPhotos, content_hash, read_files
from gallop.data.listing import LazyImages, Rows
from gallop.data.tabular.columns import is_missing, label_names
from gallop.errors import ClassNameError, DataError
from gallop.names.class_names import clean_name, clean_names
from gallop.runtime.reading import open_file
from gallop.wording import listed

_NEEDED, SPLIT = ("path", "label"), "split"
_SEPARATORS = (",", ";", "\t")
"""As programs write "CSV"; the header tells which."""
LARGEST_TABLE, LONGEST_HEADER = 2**30, 2**16
"""Bytes, and characters."""


@dataclass(frozen=True)
class ImageTable:
    """n images in rows, perhaps with labels, whatever holds them.

    Attributes:
        name, short: what messages call it, at the beginning of a sentence and after a row.
        photos: n; those of a data set are decoded when they are asked for.
        names: gives the n class names, where ``class_names`` are those of numbers; raises DataError where it has none.
        splits: a column of the n parts that the rows are of; None where there is one.
        alphabetical: whether that is the order of the classes of files, or else that in which they come.
        numbers: of the rows; None counts them from 0.
        row: what one is called, "line" or "row".
        folder: where relative paths begin.
    """

    name: str
    photos: Sequence[Any]
    names: Callable[[Sequence[str] | None], list[str]]
    splits: Any = None
    alphabetical: bool = True
    numbers: Sequence[int] | None = None
    row: str = "row"
    short: str = ""
    folder: Path = Path()

    def labelled(
        self, split: str, content: ContentHash, class_names: Sequence[str] | None = None
    ) -> LabelledPhotos | Rows:
        """Return the photos of a split with class names: files are read, of images in memory none is decoded yet.

        Args:
            class_names: of numbers among the labels, and the order of the classes.

        Raises:
            DataError: no row of the split, an empty cell, a file that is not there, no readable file, or one picture in
                two classes.
        """
        if not self.photos:
            raise DataError(f"{self.name} has no rows. Add one row for each image.")
        names = self.names(class_names)
        what, splits = f"{self.name}, {self.row} {{row}}: the split", [""] * len(names)
        if self.splits is not None:
            splits = [part.casefold() for part in label_names(self.splits, what=what, first=0)]
        taken = [i for i, part in enumerate(splits) if part in ("", split.casefold())]
        if not taken:
            there = listed(list(dict.fromkeys(splits)))
            raise DataError(f"{self.name} has no rows of the split {split!r}; its splits are {there}.")
        if isinstance(self.photos, LazyImages):
            return Rows(self.photos.take(taken), [names[i] for i in taken])
        for i in taken:
            if is_missing(self.photos[i]) or (isinstance(self.photos[i], str) and not self.photos[i].strip()):
                raise DataError(f"{self.name}, row {i}: the image is missing. Add its path, or leave the row out.")
        if not all(isinstance(self.photos[i], str | PathLike) for i in taken):
            return Rows(LazyImages(self.photos.__getitem__, taken), [names[i] for i in taken])
        return self._read([(i, Path(self.photos[i]), names[i]) for i in taken], content, class_names)

    def _read(
        self, files: list[tuple[int, Path, str]], content: ContentHash, order: Sequence[str] | None
    ) -> LabelledPhotos:
        """The files of some rows, each with its class name."""
        is_file = cache(Path.is_file)  # a file is looked for once however often it is named
        number = (self.numbers or range(len(self.photos))).__getitem__
        for i, path, _ in files:
            if not is_file(path):
                raise DataError(
                    f"{self.name}, {self.row} {number(i)}: the file {path} does not exist. Relative paths start at "
                    f"{self.folder.absolute()}."
                )
        there = dict.fromkeys(name for _, _, name in files)
        wanted = order or (sorted(there) if self.alphabetical else list(there))
        class_names = clean_names([name for name in wanted if name in there])
        short = self.short or f"{self.name[0].lower()}{self.name[1:]}"
        named = ((path, name, f" ({self.row} {number(i)} of {short})") for i, path, name in files)
        labelled = read_files(named, class_names, content)
        if not labelled.photos:
            skipped = labelled.skipped
            raise DataError(
                f"{self.name}: none of the {len(skipped)} images could be read. First error: {skipped[0][1]}"
            )
        return labelled


def csv_splits(path: str | PathLike[str]) -> tuple[str, ...]:
    """Return the splits that a table names, in order of their first row; none without the column. No image is opened.

    Raises:
        DataError: as ``from_csv``.
    """
    return tuple(dict.fromkeys(part.casefold() for part in csv_table(path).splits or () if part))


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
    return cast(LabelledPhotos, csv_table(path).labelled(split, content))


def csv_table(path: str | PathLike[str], needed: Sequence[str] = _NEEDED) -> ImageTable:
    """Return the rows of a CSV file, checked; empty lines are left out. No image is opened.

    Args:
        needed: the columns that it must have.

    Raises:
        DataError: a table that cannot be read, or a row with an empty cell among these.
    """
    path = Path(path)
    numbers, cells = list[int](), {name: list[str]() for name in (*_NEEDED, SPLIT)}
    for line, values in _csv_rows(path, needed):
        numbers.append(line)
        for name, column in cells.items():
            column.append(values.get(name, ""))
    return ImageTable(
        *(
            str(path),
            [path.parent / cell for cell in cells["path"]],
            lambda _: cells["label"],
            cells[SPLIT] if any(cells[SPLIT]) else None,
        ),
        numbers=numbers,
        row="line",
        short=path.name,
        folder=path.parent,
    )


def _csv_rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The number and the cells of each row."""
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


def _checked(path: Path, reader: Any, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    filled = ((reader.line_num, row) for cells in reader if any(row := [cell.strip() for cell in cells]))
    _, first = next(filled, (1, []))
    columns, line = [cell.casefold() for cell in first], 0
    if first and not set(needed) <= set(columns):
        wanted = f"column{'s' * (len(needed) > 1)} {' and '.join(needed)}"
        raise DataError(f"{path}, line 1: the first line must name the {wanted}, but it is {', '.join(first)[:80]!r}.")
    for name in (*_NEEDED, SPLIT):
        if columns.count(name) > 1:
            raise DataError(f"{path}, line 1: the column {name} appears twice. Rename one.")
    for line, cells in filled:
        where = f"{path}, line {line}:"
        if len(cells) != len(columns):
            raise DataError(
                f"{where} there are {len(cells)} cells, but the first line names {len(columns)} columns. Put "
                "quotation marks around text that contains the separator."
            )
        values = dict(zip(columns, cells, strict=True))
        if empty := [name for name in (*needed, SPLIT) if not values.get(name, "no such column")]:
            raise DataError(f"{where} the {empty[0]} is empty.")
        try:
            yield line, values | ({"label": _class_name(values["label"])} if "label" in needed else {})
        except ClassNameError as error:
            raise DataError(f"{where} {error}") from error
    if not line:
        raise DataError(f"{path} has no rows. Write path,label as the first line, then a line for each image.")


@lru_cache(maxsize=4096)  # a table has many rows and few labels
def _class_name(label: str) -> str:
    return clean_name(label.replace("_", " "))
