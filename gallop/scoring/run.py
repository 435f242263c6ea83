"""From a source to a folder of shards: decoded while others are encoded, resumed where a call was cut off."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, islice

import torch

from gallop.errors import DataError
from gallop.features.encoding import BATCH, readers
from gallop.runtime.ahead import ahead
from gallop.scoring.destination import Destination
from gallop.scoring.layout import LAYOUTS, Layout, ShardFacts, schema_of, table_of
from gallop.scoring.prepared import Columns, one_batch
from gallop.scoring.scorer import PhotoEmbedder, PhotoScorer
from gallop.scoring.sources import SourceItem
from gallop.scoring.sources.item import bounded_batches

GPU_BATCH = 128
"""Photos that pass a tower on a GPU together, a multiple of ``BATCH``: it has thousands of units to feed."""


@dataclass(frozen=True)
class ScoringProgress:
    """How far a call is.

    Attributes:
        done: photos answered by this call, those without an answer counted.
        errors: those without an answer.
        skipped: photos in shards that were there already.
        skipped_errors: those without an answer in shards that this call found, or that other calls wrote meanwhile.
        shards: files written by this call.
        seconds: since its beginning.
    """

    done: int = 0
    errors: int = 0
    skipped: int = 0
    skipped_errors: int = 0
    shards: int = 0
    seconds: float = 0.0

    def plus(self, began: float, **more: int) -> ScoringProgress:
        """Return the progress after so much more."""
        counted = {name: getattr(self, name) + number for name, number in more.items()}
        return replace(self, **counted, seconds=time.monotonic() - began)

    @property
    def rate(self) -> float:
        """Return photos a second."""
        return self.done / self.seconds if self.seconds else 0.0


def score_source(
    source: Iterable[SourceItem],
    worker: PhotoScorer | PhotoEmbedder,
    place: Destination,
    *,
    layout: Layout = LAYOUTS["parquet"],
    shard_size: int,
    part: tuple[int, int] = (1, 1),
    heard: Callable[[ScoringProgress], None] = lambda _: None,
) -> ScoringProgress:
    """Answer the photos of a source, a file of ``shard_size`` rows after the other; files that are there are kept.

    A file that is damaged is replaced, with a warning.

    Memory does not grow with the number of photos: a batch of them and the answers of one shard are held.

    Args:
        shard_size: what a killed call loses at most.
        part: (i, n): of n calls that share the work, this one is the i-th and writes every n-th shard.
        heard: told of the progress after each batch and each shard that is skipped.

    Raises:
        DataError: the source cannot be read on, or it is not the one that the files are of.
        DataError, OSError: a shard cannot be written.
    """
    began, progress, schema = time.monotonic(), ScoringProgress(), schema_of(worker)

    def plus(**more: int) -> None:
        nonlocal progress
        progress = progress.plus(began, **more)
        heard(progress)

    due = DueShards(source, place, layout, shard_size, part, plus)
    for number, photos in due:
        rows = []
        for columns in answers(worker, photos):
            rows.append(columns)
            plus(done=len(columns["key"]), errors=errors_in(columns))
        layout.write(place, number, table_of(rows, schema), photos.hash)
        plus(shards=1)
    due.count_others()
    return progress


class ShardPhotos:
    """The photos of one shard, which are handed on once, and the hash of the keys of those that were."""

    def __init__(self, items: Iterator[SourceItem]) -> None:
        self._items, self._found = items, hashlib.sha256()

    def __iter__(self) -> Iterator[SourceItem]:
        for item in self._items:
            self._found.update(item.key.encode("utf-8", "surrogateescape") + b"\0")
            yield item

    @property
    def hash(self) -> str:
        """The hash."""
        return self._found.hexdigest()


class DueShards:
    """The shards of a source that a call is to write: those of its part that are not there yet, and damaged ones.

    The photos of one must have been taken before the next is asked for.

    Args:
        plus: told of each shard that is there how many photos it has, and how many of them have no answer.
    """

    def __init__(
        self,
        source: Iterable[SourceItem],
        place: Destination,
        layout: Layout,
        shard_size: int,
        part: tuple[int, int],
        plus: Callable[..., None],
    ) -> None:
        self._items, self._place, self._layout = iter(source), place, layout
        self._shard_size, self._part, self._plus = shard_size, part, plus
        self._others: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, ShardPhotos]]:
        """Yield number and photos of each.

        Raises:
            DataError: the source cannot be read on, or it is not the one that the files are of.
            DataError, OSError: a shard that is there cannot be read.
        """
        for number in count():
            first = next(self._items, None)
            if first is None:
                return
            photos = ShardPhotos(chain([first], islice(self._items, self._shard_size - 1)))
            there = self._place.has(self._layout.file(number))
            facts = self._layout.facts(self._place, number) if there else None
            if facts is not None:
                counted = sum(1 for _ in photos)
                self._check(number, facts, photos)
                self._plus(skipped=counted, skipped_errors=facts.errors)
            elif there or number % self._part[1] == self._part[0] - 1:
                if there:
                    warnings.warn(f"{self._label(number)} is damaged; its photos are answered again.", stacklevel=2)
                yield number, photos
            else:
                self._others.append(number)
                for _ in photos:
                    pass

    def count_others(self) -> None:
        """Count the photos without an answer in shards that other calls have written meanwhile."""
        for number in self._others:
            facts = self._layout.facts(self._place, number) if self._place.has(self._layout.file(number)) else None
            if facts is not None:
                self._plus(skipped_errors=facts.errors)

    def _label(self, number: int) -> str:
        return self._place.label(self._layout.file(number))

    def _check(self, number: int, facts: ShardFacts, photos: ShardPhotos) -> None:
        if facts.keys_hash != photos.hash:
            raise DataError(
                f"{self._label(number)} holds answers to other photos than the source has there now: some came or went "
                "since. Give another folder, or remove that file and all later ones."
            )


def answers(worker: PhotoScorer | PhotoEmbedder, photos: Iterable[SourceItem]) -> Iterator[Columns]:
    """Yield the columns of photos, a batch after the other; the next ones are read while one is encoded.

    They are read some at a time, and as many of these pass the tower together as are good where it is.
    """
    device = worker.tower_device
    coming = ahead(worker.prepare, bounded_batches(photos, BATCH), readers(device))
    while together := list(islice(coming, batch_for(device) // BATCH)):
        yield worker.finish(one_batch(together))


def errors_in(columns: Columns) -> int:
    """Return how many photos of a batch have no answer."""
    return sum(error is not None for error in columns["error"])


def batch_for(device: torch.device) -> int:
    """Return how many photos pass a tower together where it is."""
    return BATCH if device.type == "cpu" else GPU_BATCH
