"""Process a source into a folder of shards: photos are decoded while others are encoded, and calls can be resumed."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from gallop.answers.scorer import PhotoScorer, answers
from gallop.answers.sources import SourceItem
from gallop.errors import DataError
from gallop.service.tables.destination import Destination
from gallop.service.tables.layout import Table, read_shard, schema_of, shard_file, table_of, write_shard


@dataclass(frozen=True)
class ScoringProgress:
    """The progress of a call.

    Attributes:
        done: photos answered by this call, those without an answer counted.
        errors: those without an answer.
        skipped: photos in shards that were there already.
        skipped_errors: those without an answer in these shards.
        shards: files written by this call.
        seconds: since its beginning.
    """

    done: int = 0
    errors: int = 0
    skipped: int = 0
    skipped_errors: int = 0
    shards: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0


def score_source(
    source: Iterable[SourceItem],
    worker: PhotoScorer,
    place: Destination,
    *,
    shard_size: int,
    part: tuple[int, int] = (1, 1),
    heard: Callable[[ScoringProgress], None] = lambda _: None,
) -> ScoringProgress:
    """Answer the photos of a source, in files of ``shard_size`` rows; existing files stay unchanged.

    A file that is damaged is replaced, with a warning.

    Memory does not grow with the number of photos: a batch of them and the answers of one shard are held in memory.

    Args:
        shard_size: photos in a file; a killed call loses at most so many answers.
        part: (i, n): of n calls that share the work, this one is the i-th and writes every n-th shard.
        heard: called with the progress after each batch and each shard that is skipped.

    Raises:
        DataError: the source cannot be read further, or it is not the one that the files are of.
        DataError, OSError: a shard cannot be written.
    """
    shards, schema = Shards(place, heard), schema_of(worker)
    for number, photos in shards.due(source, shard_size, part):
        rows = []
        for columns in answers(worker, photos):
            rows.append(columns)
            shards.count(done=len(columns["key"]), errors=sum(error is not None for error in columns["error"]))
        shards.write(number, table_of(rows, schema), photos.hash)
    shards.count_others()
    return shards.progress


class ShardPhotos:
    """The photos of one shard, which can be iterated once, and the hash of the keys of those yielded so far."""

    def __init__(self, items: Iterator[SourceItem]) -> None:
        self._items, self._digest = items, hashlib.sha256()

    def __iter__(self) -> Iterator[SourceItem]:
        for item in self._items:
            self._digest.update(item.key.encode("utf-8", "surrogateescape") + b"\0")
            yield item

    @property
    def hash(self) -> str:
        return self._digest.hexdigest()


class Shards:
    """The shards that exist, that a call writes, or that it leaves to other calls, and its progress.

    Args:
        heard: called with the progress whenever something is counted.
    """

    def __init__(self, place: Destination, heard: Callable[[ScoringProgress], None]) -> None:
        self._place, self._heard = place, heard
        self._began, self.progress = time.monotonic(), ScoringProgress()
        self._others: list[int] = []

    def count(self, **more: int) -> None:
        """Add to the fields of the progress, by their names."""
        added = {name: getattr(self.progress, name) + number for name, number in more.items()}
        self.progress = replace(self.progress, **added, seconds=time.monotonic() - self._began)
        self._heard(self.progress)

    def due(
        self, source: Iterable[SourceItem], shard_size: int, part: tuple[int, int]
    ) -> Iterator[tuple[int, ShardPhotos]]:
        """Yield number and photos of each shard to be written: those of a part that do not exist, and damaged ones.

        The photos of one must be consumed before the next is requested.

        Raises:
            DataError: the source cannot be read further, or it is not the one that the files are of.
            DataError, OSError: an existing shard cannot be read.
        """
        items = iter(source)
        for number, first in enumerate(items):
            photos = ShardPhotos(chain([first], islice(items, shard_size - 1)))
            label, there = self._place.label(shard_file(number)), self._place.has(shard_file(number))
            facts = read_shard(self._place, number) if there else None
            if facts is not None:
                counted = sum(1 for _ in photos)
                if facts[0] != photos.hash:
                    raise DataError(
                        f"{label} contains results for photos that differ from those now in the source: some were "
                        "added or removed. Use another folder, or remove that file and all later ones."
                    )
                self.count(skipped=counted, skipped_errors=facts[1])
            elif there:
                warnings.warn(f"{label} is damaged. Its photos are processed again.", stacklevel=2)
                yield number, photos
            elif number % part[1] == part[0] - 1:
                yield number, photos
            else:
                self._others.append(number)
                deque(photos, maxlen=0)

    def write(self, number: int, rows: Table, keys_hash: str) -> None:
        """Write a shard. Raises as ``write_shard``."""
        write_shard(self._place, number, rows, keys_hash)
        self.count(shards=1)

    def count_others(self) -> None:
        """Count the photos without an answer in shards that other calls have written meanwhile."""
        for number in self._others:
            facts = read_shard(self._place, number) if self._place.has(shard_file(number)) else None
            if facts is not None:
                self.count(skipped_errors=facts[1])
