"""The items of a source: a photo's key, and where its bytes are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gallop.images.file_types import printable_name

BATCH_BYTES = 64 * 2**20
"""Bytes of photos that a source yields together, at most one photo more."""
LONGEST_KEY = 8192
"""Characters of a key."""
# An address, or on Windows a path of another machine (\\host\share, and \??\UNC\host\share).
_ELSEWHERE = re.compile(r"[\\/](?:\?\?)?[\\/]|[^\\/]*://")


@dataclass(frozen=True)
class SourceItem:
    """A photo that has not been read yet.

    Attributes:
        key: the key of the answer: a path below the source's folder, a line of a list, a cell of a table. One that is
            longer than ``LONGEST_KEY`` is cut.
        place: the path to read it from; empty where the source contains the bytes.
        data: those bytes.
        problem: why there is no photo, in a sentence: an address, an empty cell.
    """

    key: str
    place: str = ""
    data: bytes | None = None
    problem: str = ""

    def __post_init__(self) -> None:
        if len(self.key) > LONGEST_KEY:
            object.__setattr__(self, "key", self.key[:LONGEST_KEY])


def named_photo(key: str, path: str, folder: str = "") -> SourceItem:
    """Return the photo at a path, which a stranger may have written, relative to ``folder`` where it is not absolute.

    An address or a path of another machine is a problem: nothing is asked of another machine.
    """
    if _ELSEWHERE.match(path):
        return SourceItem(
            key,
            problem=f"{printable_name(path)} is an address or a share of another machine, and nothing is fetched: copy "
            "the photo to a folder of this machine, and name it there.",
        )
    return SourceItem(key, place=below(folder, path))


def below(folder: str, path: str) -> str:
    """Return a path relative to a folder; an absolute one, or an address, as it is."""
    absolute = not folder or os.path.isabs(path) or _ELSEWHERE.match(path)
    return path if absolute else f"{folder.rstrip('/')}/{path}"


def bounded_batches(items: Iterable[SourceItem], most: int) -> Iterator[list[SourceItem]]:
    """Yield items, ``most`` at a time, or fewer where their photos already take ``BATCH_BYTES`` of memory."""
    batch, held = list[SourceItem](), 0
    for item in items:
        batch.append(item)
        held += len(item.data or b"")
        if len(batch) == most or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
