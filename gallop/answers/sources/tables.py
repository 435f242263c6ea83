"""Photos that a text file, a CSV or a Parquet table names, or that a table holds as bytes."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, TypeAlias

from gallop.answers.sources.item import BATCH_BYTES, SourceItem, named_photo
from gallop.answers.sources.pages import row_groups, rows_at_once
from gallop.errors import DataError, first_line
from gallop.images.file_types import DEFAULT_LIMITS, printable_name
from gallop.runtime.reading import open_file
from gallop.wording import listed, printable

_ANY_SIZE = 2**62  # bytes: more than a file has
LONGEST_LINE = 2**16
"""Characters of a line of a list: paths have 4,096 at most."""
_Cell: TypeAlias = bytes | str | None
PHOTO_COLUMNS = ("image", "path", "file", "filename", "file_name", "url", "bytes", "jpg", "png")
"""Names of the column with the photos; the first that exists is used."""
KEY_COLUMNS = ("key", "__key__", "id", "name")
"""Names of the column with the keys of photos that are given as bytes."""
PAIR = ("bytes", "path")
"""The fields of an image in Hugging Face's columns."""
ROWS_AT_ONCE = 256
"""Of a Parquet table, in memory at a time; fewer where they might take more than ``BATCH_BYTES``."""
LONGEST_CSV_LINE = 2**20
"""Characters of a CSV line."""


def listed_photos(name: str) -> Iterator[SourceItem]:
    """Yield the photos of a list: paths, UTF-8; those that are not absolute are relative to the list.

    Empty lines are ignored.
    """
    with opened_text(name) as file:
        for number, line in enumerate(lines_of(file, LONGEST_LINE), start=1):
            if line is None:
                yield SourceItem(
                    f"line {number}",
                    problem=f"Line {number} of the list has more than {LONGEST_LINE:,} characters, so it is not a "
                    "photo.",
                )
            elif key := line.strip():
                yield named_photo(key, key, os.path.dirname(name))


def table_photos(name: str, column: str | None) -> Iterator[SourceItem]:
    """Yield the photos of a table, whose column holds paths, bytes, or Hugging Face's pairs of both."""
    is_csv = name.lower().endswith(".csv")
    rows = _csv_rows(name, column) if is_csv else _parquet_rows(name, column)
    for number, (cell, key) in enumerate(rows, start=1):
        named = str(key) if key is not None else f"row {number}"
        if isinstance(cell, bytes):
            yield SourceItem(named, data=cell)
        elif cell is not None and cell.strip():
            yield named_photo(str(key) if key is not None else cell, cell.strip(), os.path.dirname(name))
        else:
            why = ", or has a different number of cells from the first line" if is_csv else ""
            yield SourceItem(named, problem=f"Row {number} of the table does not name a photo{why}.")


def _csv_rows(name: str, column: str | None) -> Iterator[tuple[_Cell, _Cell]]:
    """The cells of photos and keys, as text: a name like 001 or 2020-01-01 stays text."""
    with opened_text(name) as file:
        rows = csv.reader(_csv_lines(file, name), strict=True)
        try:
            names = next(rows, [])
            photos, keys = _columns(name, names, column)
            for row in filter(None, rows):
                cells = dict(zip(names, row, strict=True)) if len(row) == len(names) else {}
                yield cells.get(photos), (cells.get(keys) or None) if keys else None
        except csv.Error as error:
            raise DataError(
                f"{printable_name(name)}, line {rows.line_num}: this is not valid CSV ({error})."
            ) from error


def _csv_lines(file: Any, name: str) -> Iterator[str]:
    for number, line in enumerate(lines_of(file, LONGEST_CSV_LINE), start=1):
        if line is None:
            raise DataError(
                f"{printable_name(name)}, line {number} has more than {LONGEST_CSV_LINE:,} characters: "
                "check that all quotes are closed."
            )
        yield line


def _parquet_rows(name: str, column: str | None) -> Iterator[tuple[_Cell, _Cell]]:
    from pyarrow import parquet
    from pyarrow.lib import ArrowException

    number, shown = 0, printable_name(name)
    try:
        with open_file(name, _ANY_SIZE) as file:
            table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=2**20)  # it would read all of it
            schema = table.schema_arrow
            photos, keys = _columns(name, schema.names, column)
            wanted = [leaf for each in (photos, keys) if each for leaf in _leaves(shown, schema.field(each))]
            for number_of_group, group in enumerate(row_groups(file, shown)):
                most = min(rows_at_once(file, shown, group, wanted, BATCH_BYTES), ROWS_AT_ONCE)
                for batch in table.iter_batches(most, row_groups=[number_of_group], columns=wanted):
                    named = batch.column(keys) if keys else [None] * len(batch)
                    for cell, key in zip(batch.column(photos), named, strict=True):
                        number += 1
                        yield _content(cell), _content(key)
            if number != table.metadata.num_rows:
                raise DataError(
                    f"{shown} is damaged: it has {number} rows, but its footer says {table.metadata.num_rows}."
                )
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{shown} cannot be read after {number} rows ({_reason(error)}): check that it is complete."
        ) from error


def _leaves(table: str, field: Any) -> list[str]:
    """The paths of a Parquet file's columns for one of ours, which may be Hugging Face's pair.

    Raises:
        DataError: a cell may hold any number of values, or a time.
    """
    from pyarrow import types

    kind = getattr(field.type, "storage_type", field.type)
    pair = {inner.name: inner.type for inner in kind if inner.name in PAIR} if types.is_struct(kind) else {}
    for part in pair.values() if pair else [kind]:
        too_wide = types.is_fixed_size_binary(part) and part.byte_width > LONGEST_LINE
        if types.is_nested(part) or types.is_temporal(part) or too_wide:
            raise DataError(
                f"The column {printable_name(field.name)!r} of {table} holds values of type "
                f"{printable_name(str(field.type))}, but must hold text or bytes: paths, keys or photos."
            )
    return [f"{field.name}.{name}" for name in pair] or [field.name]


def _columns(name: str, names: Sequence[str], column: str | None) -> tuple[str, str | None]:
    """The column of the photos, and that of their keys where there is one."""
    small = {each.strip().lower(): each for each in reversed(names)}
    if column is not None and column not in names:
        raise DataError(f"{printable_name(name)} has no column {column!r}. Its columns are {listed(names)}.")
    photos = column or next((small[each] for each in PHOTO_COLUMNS if each in small), None)
    if photos is None:
        raise DataError(
            f"{printable_name(name)} has none of the columns {', '.join(PHOTO_COLUMNS)}. Its columns are "
            f"{listed(names)}: use column=... to choose the one with the photos."
        )
    keys = next((small[each] for each in KEY_COLUMNS if each in small and small[each] != photos), None)
    for chosen in filter(None, (photos, keys)):
        if names.count(chosen) > 1:
            raise DataError(f"{printable_name(name)} has more than one column called {chosen!r}: rename all but one.")
    return photos, keys


def _content(cell: Any) -> _Cell:
    """The content of a cell of a Parquet table, as bytes or as text. Of one that is larger than any photo, or longer
    than any name, as much as shows that.
    """
    while hasattr(cell, "value"):  # of a dictionary, or of the writer's extension type
        cell = cell.value
    if hasattr(cell, "keys"):
        pair = (_content(cell[name]) for name in PAIR if cell.is_valid and name in cell)
        return next((part for part in pair if part), None)
    if not hasattr(cell, "as_buffer"):
        return None if cell is None or not cell.is_valid else str(cell.as_py())
    buffer = cell.as_buffer()
    if buffer is None:
        return None
    if "string" not in str(cell.type):
        return bytes(buffer[: DEFAULT_LIMITS.max_bytes + 1])
    return bytes(buffer[: LONGEST_LINE + 1]).decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    return printable(getattr(error, "strerror", None) or first_line(error))


@contextmanager
def opened_text(name: str) -> Iterator[TextIO]:
    """Open a text in UTF-8 and name it in errors of reading it.

    Raises:
        DataError: it cannot be read, or is not in UTF-8.
    """
    try:
        with open_file(name, _ANY_SIZE) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            yield text
    except UnicodeDecodeError as error:
        raise DataError(f"{printable_name(name)} is not UTF-8 text: save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{printable_name(name)} cannot be read: {_reason(error)}.") from error


def lines_of(file: TextIO, longest: int) -> Iterator[str | None]:
    """Yield the lines of a text with their ends; None for one with more characters than ``longest``, read in pieces.

    Raises:
        UnicodeDecodeError: a line holds a null character, as texts in UTF-16 do.
    """
    while line := file.readline(longest):
        if "\0" in line:
            raise UnicodeDecodeError("utf-8", b"\0", 0, 1, "a null character")
        complete = len(line) < longest or line.endswith("\n")
        piece = line
        while not piece.endswith("\n") and len(piece) == longest:
            piece = file.readline(longest)
        yield line if complete else None
