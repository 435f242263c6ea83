"""Rows that name files and labels, of a CSV table or of a DataFrame: what is wrong with one is told with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gallop.data.labelled import ContentHash, LabelledPhotos
from gallop.errors import DataError, ImageError
from gallop.names.class_names import clean_names
from gallop.wording import listed

MOST_GONE = 1000
"""Rows whose file is not there, after which no further row is looked at."""


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
        whole, short: the table, where it is told of first and beside a file.
        row: "line" or "row".
        folder: where relative paths begin.
    """

    whole: str
    short: str
    row: str
    folder: Path


def photos_of_rows(
    rows: Iterable[TableRow],
    table: TableNames,
    *,
    split: str,
    content: ContentHash,
    order: Sequence[str] | None = None,
) -> LabelledPhotos:
    """Return every readable image of a table's rows; a picture twice in a class counts once.

    Args:
        split: the part that is taken of a table that has several.
        content: tells the content of each file, as in ``read_folder``.
        order: of the classes; None is the alphabet's. Those without a row are left out.

    Raises:
        DataError: a row whose file is not there, no row or no readable image of the split, or one picture in two
            classes.
        ClassNameError: labels that differ in upper and lower case alone.
    """
    kept, gone = [], []
    splits: dict[str, None] = {}
    there: dict[Path, bool] = {}  # by path, so that a file is looked for once however often it is named
    for row in rows:
        splits.setdefault(row.split)
        if row.split not in ("", split.casefold()):
            continue
        kept.append(row)
        if row.path not in there:
            there[row.path] = row.path.is_file()
        if not there[row.path]:
            gone.append(row)
            if len(gone) > MOST_GONE:
                break
    if gone:
        raise DataError(_gone(table, gone))
    if not kept:
        raise DataError(f"{table.whole} has no rows of the split {split!r}; its splits are {listed(list(splits))}.")
    return _read(table, kept, content, order)


def rows_of_files(paths: Sequence[Any], names: Sequence[str]) -> Iterator[TableRow]:
    """Return files and the names of their classes as rows, counted from 0."""
    return (TableRow(i, Path(path), name) for i, (path, name) in enumerate(zip(paths, names, strict=True)))


def _gone(table: TableNames, rows: list[TableRow]) -> str:
    more = "" if len(rows) == 1 else f", and {len(rows) - 1} more rows name files that are not there"
    if len(rows) > MOST_GONE:
        more = f", and more than {MOST_GONE - 1} more rows name files that are not there"
    return (
        f"{table.whole}, {table.row} {rows[0].number}: there is no file {rows[0].path}{more}. Relative paths begin at "
        f"{table.folder}."
    )


def _read(table: TableNames, rows: list[TableRow], content: ContentHash, order: Sequence[str] | None) -> LabelledPhotos:
    there = {row.label for row in rows}
    class_names = clean_names(sorted(there) if order is None else [name for name in order if name in there])
    kept: dict[str, TableRow] = {}
    skipped: list[tuple[Path, str]] = []
    digests: dict[Path, str | None] = {}
    for row in rows:
        if row.path not in digests:
            try:
                digests[row.path] = content(row.path)
            except ImageError as error:
                digests[row.path] = None
                skipped.append((row.path, f"{error} ({table.row} {row.number} of {table.short})"))
        digest = digests[row.path]
        if digest is None:
            continue
        first = kept.setdefault(digest, row)
        if first.label != row.label:
            raise DataError(
                f"{table.whole}, {table.row}s {first.number} and {row.number}: {first.path} and {row.path} are the "
                f"same picture, labelled {first.label!r} and {row.label!r}; take one away."
            )
    if not kept:
        raise DataError(f"None of the {len(digests)} images of {table.whole} can be read; the first: {skipped[0][1]}")
    number = {name: i for i, name in enumerate(class_names)}
    by_class = sorted(kept.items(), key=lambda item: number[item[1].label])
    return LabelledPhotos(
        tuple(row.path for _, row in by_class),
        tuple(digest for digest, _ in by_class),
        tuple(number[row.label] for _, row in by_class),
        class_names,
        tuple(skipped),
    )
