"""What the pages of a Parquet file take in memory, read from their headers before any of them is decompressed.

A few kilobytes of a file may become gigabytes, and a footer need not be true: a page is decompressed to the size that
its own header says.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, BinaryIO

from gallop.errors import DataError

LARGEST_PAGE = 2**29
"""Bytes of a page. Programs put a hundred photos or a thousand into one."""
_HEADERS = (2**12, 2**24)
"""Bytes in which a page's header is looked for: most are short, and pyarrow takes none that is longer."""
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
"""Kinds of pages."""
_PREFIXES = 7
"""The encoding in which a cell repeats the start of the one before it."""


def rows_at_once(file: BinaryIO, name: str, group: Any, columns: Collection[str], most: int) -> int:
    """Return how many rows of a row group may be read together so that they take ``most`` bytes, or are a single row.

    The page in which they begin and that in which they end are in memory beside them.

    Args:
        name: the file, as messages call it.
        group: the row group in the file's metadata.
        columns: paths of those that are read, which hold one value a row.

    Raises:
        DataError: a page is too large, or is none.
    """
    chunks = [group.column(i) for i in range(group.num_columns)]
    wide = [_widest(file, name, chunk) for chunk in chunks if chunk.path_in_schema in columns]
    return max(1, most // max([1, *wide]))


def _widest(file: BinaryIO, name: str, chunk: Any) -> int:
    """Return the bytes of a cell, on an average of the page where they are most; all of a page whose cells share it."""
    at: int = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end, widest = at + chunk.total_compressed_size, 0
    while at < end:
        try:
            header, length = _header(file, at)
            kind, size, compressed = header[1], header[2], header[3]
            cells, encoding = {_DATA: (5, 2), _DATA_2: (8, 4)}.get(kind, (7, 2))
            shared = kind == _DICTIONARY or header[cells][encoding] == _PREFIXES
            widest = max(widest, size if shared else -(-size // max(header[cells][1], 1)))
        except (LookupError, TypeError, RecursionError) as error:
            raise DataError(f"{name} is damaged: it has no page at byte {at}.") from error
        if not 0 <= size <= LARGEST_PAGE or compressed < 0:
            raise DataError(
                f"{name} has a page of {size / 2**20:,.0f} MB, and {LARGEST_PAGE // 2**20} MB is the most that is "
                "read: write it with fewer rows a row group, or give the photos as files."
            )
        at += length + compressed
    return widest


def _header(file: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """Return a page's header by the numbers of its fields, and its length."""
    for window in _HEADERS:
        file.seek(at)
        thrift = _Thrift(file.read(window))
        try:
            return thrift.struct(), thrift.at
        except IndexError:
            pass
    raise LookupError


class _Thrift:
    """Data in Thrift's compact protocol, as far as headers of pages use it. Raises IndexError where they end early."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self) -> dict[int, Any]:
        """Return the values of a struct by the numbers of its fields."""
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._signed()
            if field in found:  # pyarrow might take the other one
                raise LookupError
            found[field] = self._value(head & 15)
        return found

    def _value(self, kind: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 8:
            length = self._number()
            self.at += length
            return None
        if kind == 12:
            return self.struct()
        raise LookupError

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _number(self) -> int:
        value = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise LookupError

    def _signed(self) -> int:
        value = self._number()
        return value >> 1 ^ -(value & 1)
