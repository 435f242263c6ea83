"""Photos that a CSV or Parquet table names, or holds as bytes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gallop.errors import DataError, ImageTooLarge
from gallop.images.formats import ImageLimits, printable_name, too_large
from gallop.scoring.sources.item import BATCH_BYTES, SourceItem, listed_total
from gallop.scoring.sources.lists import LONGEST_LINE, lines_of, opened_text
from gallop.scoring.sources.opening import Opener, below, folder_of
from gallop.scoring.sources.outages import reason
from gallop.scoring.sources.pages import rows_at_once
from gallop.wording import listed

PHOTO_COLUMNS = ("image", "path", "file", "filename", "file_name", "url", "bytes", "jpg", "png")
"""How the column with the photos may be called, the first that is there."""
KEY_COLUMNS = ("key", "__key__", "id", "name")
"""How the column may be called that names photos which are given as bytes."""
PAIR = ("bytes", "path")
"""What Hugging Face's columns of images hold for each."""
ROWS_AT_ONCE = 256
"""Of a Parquet table, in memory at a time; fewer where they might take more than ``BATCH_BYTES``."""
LONGEST_CSV_LINE = 2**20
"""Characters of a CSV line."""


@dataclass(frozen=True)
class TableSource:
    """A table whose column holds paths, addresses, bytes, or Hugging Face's pairs of both."""

    name: str
    opener: Opener
    column: str | None = None

    def __iter__(self) -> Iterator[SourceItem]:
        rows = self._csv_rows() if self._is_csv else self._parquet_rows()
        for number, (cell, key) in enumerate(rows, start=1):
            yield self._item(cell, key, number)

    @property
    def _is_csv(self) -> bool:
        return self.name.lower().endswith(".csv")

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return how many rows there are, which a Parquet file's last bytes tell."""
        if self._is_csv:
            return listed_total(self, goes_on)
        from pyarrow import parquet

        with self.opener.open(self.name) as file:
            return int(parquet.read_metadata(file).num_rows)

    def _csv_rows(self) -> Iterator[tuple[Any, Any]]:
        """The cells of photos and keys, as text: a name like 001 or 2020-01-01 is one."""
        with opened_text(self.opener, self.name) as file:
            rows = csv.reader(self._csv_lines(file), strict=True)
            try:
                names = next(rows, [])
                photos, keys = self._columns(names)
                for cells in filter(None, rows):
                    cell = cells[photos] if len(cells) == len(names) else _Ragged(len(cells), len(names))
                    yield cell, cells[keys] or None if keys is not None and keys < len(cells) else None
            except csv.Error as error:
                raise DataError(f"{printable_name(self.name)}, line {rows.line_num}: {error}.") from error

    def _csv_lines(self, file: Any) -> Iterator[str]:
        for number, line in enumerate(lines_of(file, LONGEST_CSV_LINE), start=1):
            if line is None:
                raise DataError(
                    f"{printable_name(self.name)}, line {number} has more than {LONGEST_CSV_LINE:,} characters: "
                    "are all quotes closed?"
                )
            yield line

    def _parquet_rows(self) -> Iterator[tuple[Any, Any]]:
        from pyarrow import parquet
        from pyarrow.lib import ArrowException

        number, name = 0, printable_name(self.name)
        try:
            with self.opener.open(self.name) as file:
                table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=2**20)  # it would read all of it
                schema = table.schema_arrow
                photos, keys = self._columns(schema.names)
                wanted = [leaf for at in (photos, keys) if at is not None for leaf in self._leaves(schema.field(at))]
                for group in range(table.num_row_groups):
                    most = rows_at_once(file, name, table.metadata.row_group(group), wanted, BATCH_BYTES)
                    for batch in table.iter_batches(min(most, ROWS_AT_ONCE), row_groups=[group], columns=wanted):
                        for row in range(len(batch)):
                            number += 1
                            named = None if keys is None else batch.column(schema.names[keys])[row]
                            yield batch.column(schema.names[photos])[row], named
        except (ArrowException, OSError) as error:
            raise DataError(f"{name} cannot be read after {number} rows ({reason(error)}): is it whole?") from error

    def _leaves(self, field: Any) -> list[str]:
        """The names of what a Parquet file has for one of our columns, which may be Hugging Face's pair.

        Raises:
            DataError: a cell may hold any number of values.
        """
        from pyarrow import types

        kind = getattr(field.type, "storage_type", field.type)
        pair = {inner.name: inner.type for inner in kind if inner.name in PAIR} if types.is_struct(kind) else {}
        for part in pair.values() if pair else [kind]:
            if types.is_nested(part) or (types.is_fixed_size_binary(part) and part.byte_width > LONGEST_LINE):
                raise DataError(
                    f"{printable_name(self.name)} holds {printable_name(str(field.type))} in its column "
                    f"{printable_name(field.name)!r}: photos are given as paths, addresses or bytes."
                )
        return [f"{field.name}.{name}" for name in pair] or [field.name]

    def _columns(self, names: Sequence[str]) -> tuple[int, int | None]:
        """The numbers of the column of the photos, and of that of their keys where there is one."""
        small = {name.strip().lower(): number for number, name in reversed(list(enumerate(names)))}
        if self.column is not None and self.column not in names:
            raise DataError(f"{printable_name(self.name)} has no column {self.column!r}; it has {listed(names)}.")
        photos = (
            names.index(self.column)
            if self.column is not None
            else next((small[name] for name in PHOTO_COLUMNS if name in small), None)
        )
        if photos is None:
            raise DataError(
                f"{printable_name(self.name)} has no column that is called {', '.join(PHOTO_COLUMNS)}; it has "
                f"{listed(names)}: say with column=... which holds the photos."
            )
        keys = next((small[name] for name in KEY_COLUMNS if name in small and small[name] != photos), None)
        for chosen in (names[at] for at in (photos, keys) if at is not None):
            if names.count(chosen) > 1:
                raise DataError(f"{printable_name(self.name)} has two columns {chosen!r}: rename one.")
        return photos, keys

    def _item(self, cell: Any, key: Any, number: int) -> SourceItem:
        key = key if key is None or isinstance(key, str) else _key(key, self.opener.limits.max_bytes)
        named = key if key is not None else f"row {number}"
        if isinstance(cell, _Ragged):
            return SourceItem(named, problem=f"Row {number} of the table {cell}.")
        try:
            content = cell if isinstance(cell, str) else _content(cell, self.opener.limits.max_bytes)
        except ImageTooLarge:
            return SourceItem(named, problem=str(too_large(printable_name(named), self.opener.limits)))
        if isinstance(content, bytes):
            return SourceItem(named, data=content)
        if content is not None and content.strip():
            return SourceItem(key if key is not None else content, place=below(folder_of(self.name), content.strip()))
        return SourceItem(named, problem=f"Row {number} of the table names no photo.")


def _key(cell: Any, most: int) -> str | None:
    """What a cell of a Parquet table calls its photo; None where it is empty or too long to be a name."""
    try:
        content = _content(cell, most)
    except ImageTooLarge:
        return None
    value = cell.as_py() if content is None else content
    return str(value) if value not in (None, "") else None


def _content(cell: Any, most: int) -> bytes | str | None:
    """The bytes or the text of a cell of a Parquet table; None where it has neither, no text where it is too long.

    Raises:
        ImageTooLarge: it has more bytes than ``most``. They are not copied.
    """
    cell = _plain(cell)
    if hasattr(cell, "keys"):
        parts = (_content(cell[name], most) for name in PAIR if cell.is_valid and name in cell)
        return next((part for part in parts if part), None)
    buffer = cell.as_buffer() if hasattr(cell, "as_buffer") else None
    if buffer is None:
        return None
    if "string" in str(cell.type):
        return bytes(buffer).decode("utf-8", "replace") if buffer.size <= LONGEST_LINE else ""
    if buffer.size > most:
        raise too_large("A cell", ImageLimits(most))
    return bytes(buffer)


def _plain(cell: Any) -> Any:
    """The value that a cell has by its place in a dictionary, or in a type of the writer's own."""
    while hasattr(cell, "value"):
        cell = cell.value
    return cell


@dataclass(frozen=True)
class _Ragged:
    """Stands for the photo of a CSV row with more or fewer cells than the table has columns."""

    cells: int
    columns: int

    def __str__(self) -> str:
        return f"has {self.cells} cells where the first line has {self.columns}: put quotes around names with a comma"
