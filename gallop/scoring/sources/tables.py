"""Photos that a CSV or Parquet table names, or holds as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.scoring.sources.item import SourceItem, listed_total
from gallop.scoring.sources.opening import Opener, below, folder_of
from gallop.scoring.sources.outages import reason

if TYPE_CHECKING:
    from pyarrow import RecordBatch

PHOTO_COLUMNS = ("image", "path", "file", "filename", "file_name", "url", "bytes", "jpg", "png")
"""How the column with the photos may be called, the first that is there."""
KEY_COLUMNS = ("key", "__key__", "id", "name")
"""How the column may be called that names photos which are given as bytes."""
ROWS_AT_ONCE = 256
"""Rows in memory at a time: with photos as bytes, some hundred megabytes at most."""


@dataclass(frozen=True)
class TableSource:
    """A table whose column holds paths, addresses, bytes, or Hugging Face's pairs of both."""

    name: str
    opener: Opener
    column: str | None = None

    def __iter__(self) -> Iterator[SourceItem]:
        from pyarrow.lib import ArrowException

        number = 0
        try:
            with self.opener.open(self.name) as file:
                for batch in self._batches(file):
                    photos, keys = self._columns(batch.schema.names)
                    named = batch.column(keys).to_pylist() if keys else [None] * len(batch)
                    for cell, key in zip(batch.column(photos).to_pylist(), named, strict=True):
                        number += 1
                        yield self._item(cell, key, number)
        except (ArrowException, OSError) as error:
            raise DataError(
                f"{printable_name(self.name)} cannot be read after {number} rows ({reason(error)}): is it whole?"
            ) from error

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return how many rows there are, which a Parquet file's last bytes tell."""
        if self.name.lower().endswith(".csv"):
            return listed_total(self, goes_on)
        from pyarrow import parquet

        with self.opener.open(self.name) as file:
            return int(parquet.read_metadata(file).num_rows)

    def _batches(self, file: Any) -> Iterator[RecordBatch]:
        if self.name.lower().endswith(".csv"):
            from pyarrow import csv

            yield from csv.open_csv(file)
            return
        from pyarrow import parquet

        table = parquet.ParquetFile(file)
        wanted = [name for name in self._columns(table.schema_arrow.names) if name]
        yield from table.iter_batches(ROWS_AT_ONCE, columns=wanted)

    def _columns(self, names: Sequence[str]) -> tuple[str, str | None]:
        """The column of the photos, and that of their keys where there is one."""
        small = {name.lower(): name for name in names}
        if self.column is not None and self.column not in names:
            raise DataError(f"{printable_name(self.name)} has no column {self.column!r}; it has {', '.join(names)}.")
        photos = self.column or next((small[name] for name in PHOTO_COLUMNS if name in small), None)
        if photos is None:
            raise DataError(
                f"{printable_name(self.name)} has no column that is called {', '.join(PHOTO_COLUMNS)}; it has "
                f"{', '.join(names)}: say with column=... which holds the photos."
            )
        return photos, next((small[name] for name in KEY_COLUMNS if name in small and small[name] != photos), None)

    def _item(self, cell: Any, key: Any, number: int) -> SourceItem:
        named = str(key) if key is not None else f"row {number}"
        if isinstance(cell, dict):  # Hugging Face's column of images
            cell = cell.get("bytes") or cell.get("path")
        if isinstance(cell, bytes):
            return SourceItem(named, data=cell)
        if isinstance(cell, str) and cell.strip():
            return SourceItem(str(key) if key is not None else cell, place=below(folder_of(self.name), cell.strip()))
        return SourceItem(named, problem=f"Row {number} of the table names no photo.")
