"""From a source to a folder of shards: decoded while others are encoded, resumed where a call was cut off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, islice

import torch

from gallop.errors import DataError
from gallop.features.encoding import BATCH, readers
from gallop.runtime.ahead import ahead
from gallop.scoring.destination import Destination
from gallop.scoring.layout import LAYOUTS, Layout, keys_hash_of, schema_of, table_of
from gallop.scoring.prepared import Columns, one_batch
from gallop.scoring.scorer import PhotoEmbedder, PhotoScorer
from gallop.scoring.sources import SourceItem

GPU_BATCH = 128
"""Photos that pass a tower on a GPU together, a multiple of ``BATCH``: it has thousands of units to feed."""


@dataclass(frozen=True)
class ScoringProgress:
    """How far a call is.

    Attributes:
        done: photos answered by this call, those without an answer counted.
        errors: those without an answer.
        skipped: photos in shards that were there already.
        shards: files written by this call.
        seconds: since its beginning.
    """

    done: int = 0
    errors: int = 0
    skipped: int = 0
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

    def skipped(photos: int) -> None:
        nonlocal progress
        progress = progress.plus(began, skipped=photos)
        heard(progress)

    for number, photos in due(source, place, layout, shard_size, part, skipped):
        rows = []
        for columns in answers(worker, photos):
            rows.append(columns)
            progress = progress.plus(began, done=len(columns["key"]), errors=errors_in(columns))
            heard(progress)
        layout.write(place, number, table_of(rows, schema), photos.hash)
        progress = progress.plus(began, shards=1)
        heard(progress)
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


def due(
    source: Iterable[SourceItem],
    place: Destination,
    layout: Layout,
    shard_size: int,
    part: tuple[int, int],
    skipped: Callable[[int], None],
) -> Iterator[tuple[int, ShardPhotos]]:
    """Yield the shards of a source that are to be written: those of this part that are not there yet.

    The photos of one must have been taken before the next is asked for.

    Args:
        skipped: told how many photos each shard has that is there already.

    Raises:
        DataError: the source cannot be read on, or it is not the one that the files are of.
    """
    items = iter(source)
    for number in count():
        first = next(items, None)
        if first is None:
            return
        photos = ShardPhotos(chain([first], islice(items, shard_size - 1)))
        there = place.has(layout.file(number))
        if number % part[1] == part[0] - 1 and not there:
            yield number, photos
            continue
        counted = sum(1 for _ in photos)
        if there:
            _check(place, layout.file(number), photos.hash)
            skipped(counted)


def _check(place: Destination, file: str, keys_hash: str) -> None:
    if keys_hash_of(place, file) != keys_hash:
        raise DataError(
            f"{place.label(file)} holds answers to other photos than the source has there now: some came or went "
            "since, or the file is damaged. Give another folder, or remove that file and all later ones."
        )


def answers(worker: PhotoScorer | PhotoEmbedder, photos: Iterable[SourceItem]) -> Iterator[Columns]:
    """Yield the columns of photos, a batch after the other; the next ones are read while one is encoded.

    They are read some at a time, and as many of these pass the tower together as are good where it is.
    """
    device = worker.tower_device
    coming = ahead(worker.prepare, _batches(iter(photos)), readers(device))
    while together := list(islice(coming, batch_for(device) // BATCH)):
        yield worker.finish(one_batch(together))


def errors_in(columns: Columns) -> int:
    """Return how many photos of a batch have no answer."""
    return sum(error is not None for error in columns["error"])


def batch_for(device: torch.device) -> int:
    """Return how many photos pass a tower together where it is."""
    return BATCH if device.type == "cpu" else GPU_BATCH


def _batches(items: Iterator[SourceItem]) -> Iterator[list[SourceItem]]:
    while batch := list(islice(items, BATCH)):
        yield batch
