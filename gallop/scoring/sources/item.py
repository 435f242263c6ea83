"""What a source gives: a photo's key, and where its bytes are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol


@dataclass(frozen=True)
class SourceItem:
    """A photo that has not been read yet.

    Attributes:
        key: what the answer is found by: a path below the source's folder, an address, a name in an archive.
        place: the path or address to read it from; empty where the source has the bytes itself.
        data: those bytes.
        problem: why there is no photo, in a sentence: an archive that ends early, an empty cell.
    """

    key: str
    place: str = ""
    data: bytes | None = None
    problem: str = ""


class Source(Protocol):
    """Photos in an order that is the same at each call, however many there are: none is kept."""

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield every photo, named and not yet read.

        Raises:
            DataError: the source cannot be read.
        """
        ...

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return how many photos there are; None where only who reads them all knows.

        Args:
            goes_on: asked at each photo that is listed for it; where it says no, the number is none.
        """
        ...


def listed_total(source: Source, goes_on: Callable[[], bool]) -> int:
    """Return how many photos a source lists, which reads none of them."""
    return sum(1 for _ in takewhile(lambda _: goes_on(), source))
