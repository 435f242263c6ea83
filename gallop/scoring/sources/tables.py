"""Photos that a CSV or Parquet table names, or holds as bytes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.scoring.sources.item import SourceItem, listed_total
from gallop.scoring.sources.lists import lines_of, opened_text
from gallop.scoring.sources.opening import Opener, below, folder_of
from gallop.scoring.sources.outages import reason
from gallop.wording import listed

PHOTO_COLUMNS = ("image", "path", "file", "filename", "file_name", "url", "bytes", "jpg", "png")
"""How the column with the photos may be called, the first that is there."""
KEY_COLUMNS = ("key", "__key__", "id", "name")
"""How the column may be called that names photos which are given as bytes."""
ROWS_AT_ONCE, BYTES_AT_ONCE = 256, 2**26
"""Of a Parquet table, in memory at a time."""
LARGEST_PACKED, MOST_PACKED = 2**27, 32
"""Bytes of a row group's column above which it may be unpacked to at most so many times its size in the file. Photos do
not get smaller when a table is compressed, and paths are small."""
LONGEST_LINE = 2**20
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
        for number, line in enumerate(lines_of(file, LONGEST_LINE), start=1):
            if line is None:
                raise DataError(
                    f"{printable_name(self.name)}, line {number} has more than {LONGEST_LINE:,} characters: "
                    "are all quotes closed?"
                )
            yield line

    def _parquet_rows(self) -> Iterator[tuple[Any, Any]]:
        from pyarrow import parquet
        from pyarrow.lib import ArrowException

        number = 0
        try:
            with self.opener.open(self.name) as file:
                table = parquet.ParquetFile(file)
                names = table.schema_arrow.names
                wanted = [names[at] for at in self._columns(names) if at is not None]
                for group in range(table.num_row_groups):
                    rows = self._rows_at_once(table.metadata.row_group(group), wanted)
                    for batch in table.iter_batches(rows, row_groups=[group], columns=wanted):
                        photos, keys = (batch.column(wanted[0]), batch.column(wanted[1]) if wanted[1:] else None)
                        for row in range(len(batch)):
                            number += 1
                            yield photos[row].as_py(), keys[row].as_py() if keys is not None else None
        except (ArrowException, OSError) as error:
            raise DataError(
                f"{printable_name(self.name)} cannot be read after {number} rows ({reason(error)}): is it whole?"
            ) from error

    def _rows_at_once(self, group: Any, wanted: Sequence[str]) -> int:
        """How many rows may be read together. A value that many rows share is unpacked for each of them.

        Raises:
            DataError: a column of the group takes more memory than photos or their names would.
        """
        rows = ROWS_AT_ONCE
        for number in range(group.num_columns):
            column = group.column(number)
            unpacked = column.total_uncompressed_size
            if column.path_in_schema.split(".")[0] not in wanted:
                continue
            if unpacked > max(LARGEST_PACKED, MOST_PACKED * column.total_compressed_size):
                raise DataError(
                    f"{printable_name(self.name)} unpacks to {unpacked / 2**20:,.0f} MB, more than {MOST_PACKED} times "
                    "its size, as photos never do: it is not read."
                )
            if column.has_dictionary_page:
                rows = min(rows, max(1, BYTES_AT_ONCE // max(unpacked, 1)))
        return rows

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
        named = str(key) if key is not None else f"row {number}"
        if isinstance(cell, _Ragged):
            return SourceItem(named, problem=f"Row {number} of the table {cell}.")
        if isinstance(cell, dict):  # Hugging Face's column of images
            cell = cell.get("bytes") or cell.get("path")
        if isinstance(cell, bytes):
            return SourceItem(named, data=cell)
        if isinstance(cell, str) and cell.strip():
            return SourceItem(str(key) if key is not None else cell, place=below(folder_of(self.name), cell.strip()))
        return SourceItem(named, problem=f"Row {number} of the table names no photo.")


@dataclass(frozen=True)
class _Ragged:
    """Stands for the photo of a CSV row with more or fewer cells than the table has columns."""

    cells: int
    columns: int

    def __str__(self) -> str:
        return f"has {self.cells} cells where the first line has {self.columns}: put quotes around names with a comma"
