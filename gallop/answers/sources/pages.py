"""The sizes of a Parquet file's pages in memory, read from their headers before any of them is decompressed.

A few kilobytes of a file may become gigabytes, and its footer need not be true: a page is decompressed to the size in
the page's header. The footer is read here, too, since pyarrow ends the process for some damaged ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from io import SEEK_END, BytesIO
from typing import Any, BinaryIO, TypeAlias

from gallop.errors import DataError

LARGEST_PAGE = 2**28
"""Bytes of a page; pyarrow takes three times as many to read it. Most programs put a hundred photos into one."""
LARGEST_FOOTER = 2**25
_LONGEST_TEXT = 2**24
_Struct: TypeAlias = dict[tuple[int, int], Any]
"""The values of a struct by number and kind of their fields, since pyarrow ignores a field of another kind."""
_Chunk: TypeAlias = tuple[str, int, int]
"""Path of a column, and where its pages begin and end in a row group."""
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BYTES, _LIST, _STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
"""Kinds of pages."""
_PREFIXES = 7
"""The encoding in which a cell repeats the start of the one before it."""


def row_groups(file: BinaryIO, name: str) -> list[Sequence[_Chunk]]:
    """Return where the footer says that the columns of each row group are.

    Args:
        name: the file, as messages call it.

    Raises:
        DataError: the footer is damaged or too large.
    """
    file.seek(-8, SEEK_END)
    size = int.from_bytes(file.read(4), "little")
    if size > LARGEST_FOOTER:
        raise DataError(f"{name} has a footer larger than {LARGEST_FOOTER // 2**20} MB: split the file into several.")
    file.seek(-8 - size, SEEK_END)
    try:
        groups = _struct(BytesIO(file.read(size)))[4, _LIST]
        return [[_chunk(column[3, _STRUCT]) for column in group[1, _LIST]] for group in groups]
    except (LookupError, TypeError, RecursionError) as error:
        raise DataError(f"{name} is damaged: its footer cannot be read.") from error


def rows_at_once(file: BinaryIO, name: str, group: Sequence[_Chunk], wanted: Collection[str], most: int) -> int:
    """Return how many rows of a row group may be read together so that they take ``most`` bytes, or are a single row.

    The page in which they begin and that in which they end are in memory beside them.

    Args:
        name: the file, as messages call it.
        group: one of ``row_groups``.
        wanted: paths of the columns that are read, which hold one value a row.

    Raises:
        DataError: a page is too large or damaged.
    """
    wide = [_widest(file, name, start, end) for path, start, end in group if path in wanted]
    return max(1, most // max([1, *wide]))


def _chunk(column: _Struct) -> _Chunk:
    start, first = column[9, _I64], column.get((11, _I64), 0)  # of the pages with data, and of that with a dictionary
    start = first if 0 < first < start else start
    return b".".join(column[3, _LIST]).decode("utf-8", "replace"), start, start + column[7, _I64]


def _widest(file: BinaryIO, name: str, at: int, end: int) -> int:
    """Return the bytes of a cell, on average in the page where they are most; a full page where its cells share it."""
    widest = 0
    while at < end:
        try:
            file.seek(at)
            header = _struct(file)
            kind, size, compressed = (header[field, _I32] for field in (1, 2, 3))
            cells, encoding = {_DATA: (5, 2), _DATA_2: (8, 4)}.get(kind, (7, 2))
            shared = kind == _DICTIONARY or header[cells, _STRUCT][encoding, _I32] == _PREFIXES
            widest = max(widest, size if shared else -(-size // max(header[cells, _STRUCT][1, _I32], 1)))
        except (LookupError, TypeError, OSError, ValueError, RecursionError) as error:
            raise DataError(f"{name} is damaged: there is no valid page at byte {at}.") from error
        if not 0 <= size <= LARGEST_PAGE or compressed < 0:
            raise DataError(
                f"{name} has a page larger than {LARGEST_PAGE // 2**20} MB: write the file with fewer rows per row "
                "group, or use image files instead."
            )
        at = file.tell() + compressed
    return widest


def _struct(file: BinaryIO) -> _Struct:
    """Read a struct in Thrift's compact protocol. Raises LookupError if it ends early or is not one."""
    fields: _Struct = {}
    field = 0
    while head := file.read(1)[0]:
        field = field + (head >> 4) if head >> 4 else _signed(file)
        if any(field == known for known, _ in fields):  # pyarrow might take the other one
            raise LookupError
        kind = head & 15
        fields[field, kind] = kind == _TRUE if kind in (_TRUE, _FALSE) else _value(file, kind)
    return fields


def _value(file: BinaryIO, kind: int) -> Any:
    if kind in (_I16, _I32, _I64):
        return _signed(file)
    if kind == _STRUCT:
        return _struct(file)
    if kind == _LIST:
        head = file.read(1)[0]
        return [_value(file, head & 15) for _ in range(_number(file) if head >> 4 == 15 else head >> 4)]
    length = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8}.get(kind) or (_number(file) if kind == _BYTES else None)
    if length is None or length > _LONGEST_TEXT or len(data := file.read(length)) < length:
        raise LookupError
    return data


def _signed(file: BinaryIO) -> int:
    value = _number(file)
    return value >> 1 ^ -(value & 1)


def _number(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)[0]
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise LookupError
