"""Photos that a text file names, one a line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.scoring.sources.item import SourceItem, listed_total
from gallop.scoring.sources.opening import Opener, below, folder_of
from gallop.scoring.sources.outages import reason

LONGEST_LINE = 2**16
"""Characters: paths have 4,096 at most, signed addresses some thousand."""


@dataclass(frozen=True)
class ListSource:
    """Paths or addresses, UTF-8; those that are not absolute lie beside the list. Empty lines count for nothing."""

    name: str
    opener: Opener

    def __iter__(self) -> Iterator[SourceItem]:
        folder = folder_of(self.name)
        with opened_text(self.opener, self.name) as file:
            for number, line in enumerate(lines_of(file, LONGEST_LINE), start=1):
                if line is None:
                    problem = f"Line {number} of the list has more than {LONGEST_LINE:,} characters: it names no photo."
                    yield SourceItem(f"line {number}", problem=problem)
                elif key := line.strip():
                    yield SourceItem(key, place=below(folder, key))

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return how many there are, by listing them once more."""
        return listed_total(self, goes_on)


@contextmanager
def opened_text(opener: Opener, name: str) -> Iterator[TextIO]:
    """Open a text in UTF-8 and name it in errors of reading it.

    Raises:
        DataError: it cannot be read, or is not in UTF-8.
    """
    try:
        with opener.open(name) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            yield text
    except UnicodeDecodeError as error:
        raise DataError(f"{printable_name(name)} is not text in UTF-8: save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{printable_name(name)} cannot be read: {reason(error)}.") from error


def lines_of(file: TextIO, longest: int) -> Iterator[str | None]:
    """Yield the lines of a text with their ends; None for one with more characters than ``longest``, read in pieces.

    Raises:
        UnicodeDecodeError: a line holds a null character, as texts in UTF-16 do.
    """
    while line := file.readline(longest):
        if "\0" in line:
            raise UnicodeDecodeError("utf-8", b"\0", 0, 1, "a null character")
        whole = len(line) < longest or line.endswith("\n")
        piece = line
        while not piece.endswith("\n") and len(piece) == longest:
            piece = file.readline(longest)
        yield line if whole else None
