"""The same folder of shards as ``gallop.scoring.run`` writes, answered by many machines through Ray (extra ``ray``).

This process lists the source, gives it away in pieces, and writes the shards; the workers read and answer photos. So
a piece that is given again holds the same photos, whatever has come or gone in the source since; a shard's hash is of
the photos that were answered; the folder has one writer, on one machine; and either engine goes on after the other.
Ray Data's ``map_batches`` suits programs of one's own (``docs/howto/many_photos.md``), but not this: it cuts a stream
into blocks by their bytes, where shards are counted in photos, and when a machine is lost it would list anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gallop.errors import DataError
from gallop.features.encoding import BATCH
from gallop.scoring.destination import Destination
from gallop.scoring.layout import Layout
from gallop.scoring.packed import packed_worker
from gallop.scoring.ray_actors import ActorPool, Cluster, PoolSize, joined_to
from gallop.scoring.run import DueShards, ScoringProgress, ShardPhotos
from gallop.scoring.scorer import PhotoEmbedder, PhotoScorer
from gallop.scoring.sources import SourceItem
from gallop.scoring.sources.item import BATCH_BYTES, bounded_batches
from gallop.scoring.sources.opening import local_path

if TYPE_CHECKING:
    from pyarrow import Table

PIECE_PHOTOS = 256
"""Photos that a worker is given at a time: some seconds on a processor. A multiple of a batch, so that batches are the
same as without Ray."""
PIECE_BYTES = 2 * BATCH_BYTES
"""Bytes of photos from an archive or a table in a piece, at most a batch more."""


@dataclass
class _Growing:
    """A shard, of which some pieces have been answered."""

    number: int
    pieces: dict[int, Table] = field(default_factory=dict)
    missing: int = 0
    hash: str = ""


class _Writer:
    """Puts pieces together and writes each shard when it is whole."""

    def __init__(self, place: Destination, layout: Layout, heard: Callable[[ScoringProgress], None]) -> None:
        self._place, self._layout, self._heard = place, layout, heard
        self._began, self.progress = time.monotonic(), ScoringProgress()

    def plus(self, **more: int) -> None:
        """Count, and say so."""
        self.progress = self.progress.plus(self._began, **more)
        self._heard(self.progress)

    def take(self, name: tuple[_Growing, int], rows: Table) -> None:
        """Take the rows of a piece of a shard."""
        shard, piece = name
        shard.pieces[piece] = rows
        shard.missing -= 1
        self.plus(done=rows.num_rows, errors=rows.num_rows - rows["error"].null_count)
        self.settle(shard)

    def settle(self, shard: _Growing) -> None:
        """Write a shard if all its photos were listed and answered."""
        import pyarrow as pa

        if shard.hash and not shard.missing:
            rows = pa.concat_tables(shard.pieces[piece] for piece in sorted(shard.pieces))
            self._layout.write(self._place, shard.number, rows, shard.hash)
            shard.pieces.clear()
            self.plus(shards=1)


def score_on_ray(
    source: Iterable[SourceItem],
    worker: PhotoScorer | PhotoEmbedder,
    place: Destination,
    *,
    cluster: Cluster,
    layout: Layout,
    shard_size: int,
    part: tuple[int, int] = (1, 1),
    heard: Callable[[ScoringProgress], None] = lambda _: None,
) -> ScoringProgress:
    """Answer the photos of a source on a cluster; arguments, files and what they raise are ``score_source``'s.

    Raises:
        ParallelError: the cluster cannot be used, or a worker was lost again and again.
    """
    with joined_to(cluster):
        import ray

        there = ray.cluster_resources()
        size = PoolSize.of(worker.device, cluster.workers, there.get("CPU", 1), there.get("GPU", 0))
        device = worker.device if size.gpu else "cpu"
        writer = _Writer(place, layout, heard)
        pool = ActorPool(packed_worker(worker, device), size, writer.take)
        try:
            due = DueShards(source, place, layout, shard_size, part, writer.plus)
            for number, photos in due:
                shard = _Growing(number)
                for piece, items in enumerate(_pieces(photos)):
                    shard.missing += 1
                    pool.give((shard, piece), items)
                shard.hash = photos.hash
                writer.settle(shard)
            pool.finish()
            due.count_others()
        except DataError:
            pool.finish_what_can_be()  # shards that are whole are kept
            raise
        return writer.progress


def _pieces(photos: ShardPhotos) -> Iterator[list[SourceItem]]:
    """Whole batches, so that a worker makes the same ones of them; fewer where photos travel in them."""
    piece: list[SourceItem] = []
    for batch in bounded_batches(map(_absolute, photos), BATCH):
        piece += batch
        if len(piece) >= PIECE_PHOTOS or sum(len(item.data or b"") for item in piece) >= PIECE_BYTES:
            yield piece
            piece = []
    if piece:
        yield piece


def _absolute(item: SourceItem) -> SourceItem:
    """A worker's working folder may be another."""
    path = local_path(item.place) if item.place else None
    return item if path is None else replace(item, place=os.path.abspath(path))
