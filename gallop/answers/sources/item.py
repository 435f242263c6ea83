"""The items of a source: a photo's key, and where its bytes are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BATCH_BYTES = 64 * 2**20
"""Bytes of photos that a source yields together, at most one photo more."""
LONGEST_KEY = 8192
"""Characters of a key: every row of a shard is in memory before the shard is written."""


@dataclass(frozen=True)
class SourceItem:
    """A photo that has not been read yet.

    Attributes:
        key: the key of the answer: a path below the source's folder, an address, a name in an archive. One that is
            longer than ``LONGEST_KEY`` is cut.
        place: the path or address to read it from; empty where the source contains the bytes.
        data: those bytes.
        problem: why there is no photo, in a sentence: an archive that ends early, an empty cell.
    """

    key: str
    place: str = ""
    data: bytes | None = None
    problem: str = ""

    def __post_init__(self) -> None:
        if len(self.key) > LONGEST_KEY:
            object.__setattr__(self, "key", self.key[:LONGEST_KEY])


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
