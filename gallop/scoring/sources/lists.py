"""Photos that a text file names, one a line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gallop.errors import DataError
from gallop.images.formats import printable_name
from gallop.scoring.sources.item import SourceItem, listed_total
from gallop.scoring.sources.opening import Opener, below, folder_of
from gallop.scoring.sources.outages import reason


@dataclass(frozen=True)
class ListSource:
    """Paths or addresses, UTF-8; those that are not absolute lie beside the list. Empty lines count for nothing."""

    name: str
    opener: Opener

    def __iter__(self) -> Iterator[SourceItem]:
        folder = folder_of(self.name)
        try:
            with self.opener.open(self.name) as file, io.TextIOWrapper(file, "utf-8-sig") as lines:
                for line in lines:
                    if key := line.strip():
                        yield SourceItem(key, place=below(folder, key))
        except UnicodeDecodeError as error:
            raise DataError(f"{printable_name(self.name)} is no list of UTF-8 text: save it as UTF-8.") from error
        except OSError as error:
            raise DataError(f"{printable_name(self.name)} cannot be read: {reason(error)}.") from error

    def total(self, goes_on: Callable[[], bool]) -> int | None:
        """Return how many there are, by listing them once more."""
        return listed_total(self, goes_on)
