"""The same folder of shards as ``run`` beside this writes, answered by many machines through Ray (extra ``ray``).

This process lists the source, distributes it in pieces, and writes the shards; the workers read and answer photos; Ray
starts and restarts them, and repeats lost work. So a piece that is repeated holds the same photos, whatever was added
to or removed from the source since; a shard's hash is of the photos that were answered; the folder has one writer, on
one machine; and either engine continues after the other. Ray Data's ``map_batches`` suits custom programs
(``docs/howto/many_photos.md``), but not this: it cuts a stream into blocks by their bytes, where shards are counted in
photos, and when a machine is lost it would list again.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from gallop import __version__
from gallop.answers.scorer import PhotoScorer, answers
from gallop.answers.sources import SourceItem
from gallop.answers.sources.item import BATCH_BYTES, bounded_batches
from gallop.answers.sources.opening import local_path
from gallop.checkpoints.folder import checkpoint_bytes
from gallop.checkpoints.settings import Checkpoint
from gallop.errors import DataError, ParallelError, first_line, sentence_of
from gallop.features.encoding import BATCH
from gallop.runtime.process import prepare
from gallop.service.tables.destination import Destination
from gallop.service.tables.layout import Table, schema_of, table_of
from gallop.service.tables.run import ScoringProgress, ShardPhotos, Shards
from gallop.wording import printable

PIECE_PHOTOS = 256
"""Photos that a worker is given at a time: some seconds on a processor. A multiple of a batch, so that batches are the
same as without Ray."""
PIECE_BYTES = 2 * BATCH_BYTES
"""Bytes of photos from an archive or a table in a piece, at most a batch more."""
WORKERS_A_GPU = 2
"""While one waits for its first photos to be decoded, the other computes."""
AHEAD = 2
"""Pieces that a worker has at most, including the one that it answers: it never waits for the listing, and only few
photos are listed but not answered."""
TRIES = 3
"""Times that a piece is repeated when its worker is lost: a photo that ends every worker must not do so forever."""
NO_WORKER_SECONDS = 60.0
"""After which a call warns that no worker has started."""


@dataclass(frozen=True)
class PoolSize:
    """How many workers there are, and which part of a GPU each has.

    >>> PoolSize.of("auto", None, cpus=16, gpus=2)
    PoolSize(workers=4, gpu=0.5)
    """

    workers: int
    gpu: float

    @staticmethod
    def of(device: str, wanted: int | None, cpus: float, gpus: float) -> PoolSize:
        """Return the size for a cluster: as many workers on each GPU, none on two.

        Raises:
            ParallelError: a GPU is required, and there is none.
        """
        if device.startswith("cuda") and gpus < 1:
            raise ParallelError("No machine in the cluster has a GPU: leave out device='cuda', or use device='cpu'.")
        if device == "cpu" or gpus < 1:
            return PoolSize(wanted or max(int(cpus), 1), 0.0)
        workers = wanted or WORKERS_A_GPU * int(gpus)
        return PoolSize(workers, 1 / -(-workers // int(gpus)))


@contextmanager
def joined_to(address: str | None, workers: int | None) -> Iterator[None]:
    """Join a cluster: the one at an address, or one that is this machine alone and ends with the block.

    Ray sends no usage statistics unless the environment says that it may (RAY_USAGE_STATS_ENABLED). A cluster of one
    machine has no dashboard, and none of its ports can be reached from another machine.

    Raises:
        ParallelError: it cannot be joined or started.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")  # it would replace Python's print
    if address is None:  # else Ray takes 127.0.0.1 for what others call this machine
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    how: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is not None:
            ray.init(address, **how)
        else:
            cores = max(workers or 1, os.cpu_count() or 1)
            ray.init("local", _node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=cores, **how)
    except Exception as error:  # Ray has no specific exception for this
        ray.shutdown()
        where = "on this machine" if address is None else f"at {address}"
        raise ParallelError(f"Ray cannot be used {where} ({first_line(error)}).") from error
    try:
        yield
    finally:
        ray.shutdown()


def packed(worker: PhotoScorer, device: str) -> PhotoScorer:
    """Return a worker to send to other machines, some megabytes: what was learned as bytes, and its backbone by a name
    that all machines know. It computes on ``device`` where it arrives.
    """
    sent = copy(worker)  # without what the worker has loaded
    sent.device = device
    model, calibration = worker.classifier.model_, worker.classifier.calibration_
    sent.model = checkpoint_bytes(Checkpoint.of(model, None, calibration), model)
    sent.backbone = None
    return sent


class ScoringActor:
    """One process of the cluster, which holds the worker of its first call, restarted or not."""

    def __init__(self) -> None:
        prepare()
        self._worker: PhotoScorer | None = None

    def ready(self, worker: PhotoScorer) -> None:
        self._worker = worker
        _ = worker.classifier

    def answer(self, worker: PhotoScorer, items: Sequence[SourceItem]) -> Table:
        self._worker = self._worker or worker
        return table_of(list(answers(self._worker, items)), schema_of(self._worker))


class ActorPool:
    """Workers that answer pieces of a listing, each piece once, in any order.

    Args:
        worker: a copy for each of them, as ``packed`` makes it.
        size: how many there are. Those that the cluster has no room for start when it has.
        take: called with the name and the rows of each piece.
    """

    def __init__(self, worker: PhotoScorer, size: PoolSize, take: Callable[[Any, Table], None]) -> None:
        import ray

        scoring = ray.remote(ScoringActor).options(
            num_cpus=1, num_gpus=size.gpu, max_restarts=-1, max_task_retries=TRIES
        )
        self._worker_ref, self._take, self._size = ray.put(worker), take, size
        self._free: deque[Any] = deque()
        self._coming = {
            actor.ready.remote(self._worker_ref): actor for actor in (scoring.remote() for _ in range(size.workers))
        }
        self._busy: dict[Any, tuple[Any, Any, Sequence[SourceItem]]] = {}

    def give(self, name: Any, items: Sequence[SourceItem]) -> None:
        """Have a piece answered; wait until a worker has room for it, and take finished pieces meanwhile.

        Raises:
            ParallelError: a worker was lost again and again.
            GallopError: a worker's problem with its model or backbone.
        """
        while not self._free:
            self._wait()
        actor = self._free.popleft()
        self._busy[actor.answer.remote(self._worker_ref, items)] = actor, name, items

    def finish(self) -> None:
        """Wait for all pieces and take them. Raises as ``give``."""
        while self._busy:
            self._wait()

    def finish_what_can_be(self) -> None:
        """Wait for all pieces and take those that have answers, after one that has none."""
        while self._busy:
            with suppress(DataError):
                self._wait()

    def _wait(self) -> None:
        import ray

        done, _ = ray.wait([*self._busy, *self._coming], timeout=None if self._busy else NO_WORKER_SECONDS)
        if not done:
            gpu = f" and {self._size.gpu:g} of a GPU" if self._size.gpu else ""
            warnings.warn(
                f"No worker has started in {NO_WORKER_SECONDS:g} seconds: each needs a CPU core{gpu}. Still waiting.",
                stacklevel=4,
            )
        for ref in done:
            if ref in self._coming:
                actor = self._coming.pop(ref)
                self._result(ref, _NOT_STARTED)
                self._free.extend([actor] * AHEAD)
            else:
                actor, name, items = self._busy.pop(ref)
                try:
                    rows = self._result(ref, _lost(items))
                except ParallelError:
                    rows = self._alone(actor, items)
                self._free.append(actor)
                self._take(name, rows)

    def _alone(self, actor: Any, items: Sequence[SourceItem]) -> Table:
        """Return the rows of a piece whose worker was lost. Another piece of the same worker may have ended it: so this
        one is answered again, alone. Raises ParallelError where it was this one.
        """
        import ray

        beside = [ref for ref, (other, *_) in self._busy.items() if other is actor]
        if beside:
            ray.wait(beside, num_returns=len(beside))
        rows: Table = self._result(actor.answer.remote(self._worker_ref, items), _lost(items))
        return rows

    @staticmethod
    def _result(ref: Any, otherwise: str) -> Any:
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            return ray.get(ref)
        except RayTaskError as error:
            if sentence_of(error.cause) is None:
                raise  # a mistake of ours, with the worker's traceback
            raise error.cause from None
        except RayError as error:
            raise ParallelError(f"{otherwise} Ray reports: {first_line(error)}.") from error


@dataclass
class Pieces:
    """A shard of which some pieces have been answered."""

    number: int
    rows: dict[int, Table] = field(default_factory=dict)
    missing: int = 0
    hash: str = ""


class PieceWriter(Shards):
    """Puts pieces together and writes each shard when it is complete."""

    def take(self, name: tuple[Pieces, int], rows: Table) -> None:
        shard, piece = name
        shard.rows[piece] = rows
        shard.missing -= 1
        self.count(done=rows.num_rows, errors=rows.num_rows - rows["error"].null_count)
        self.settle(shard)

    def settle(self, shard: Pieces) -> None:
        """Write a shard if all its photos were listed and answered."""
        import pyarrow as pa

        if shard.hash and not shard.missing:
            self.write(shard.number, pa.concat_tables(shard.rows[piece] for piece in sorted(shard.rows)), shard.hash)
            shard.rows.clear()


def score_on_ray(
    source: Iterable[SourceItem],
    worker: PhotoScorer,
    place: Destination,
    *,
    address: str | None,
    workers: int | None,
    shard_size: int,
    part: tuple[int, int] = (1, 1),
    heard: Callable[[ScoringProgress], None] = lambda _: None,
) -> ScoringProgress:
    """Answer the photos of a source on a cluster; other arguments, files and what they raise are ``score_source``'s.

    Args:
        address: of the cluster, as ``ray.init`` takes it; None starts Ray on this machine for the time of the call.
        workers: how many; None takes one for each processor, or two for each GPU where there are GPUs.

    Raises:
        ParallelError: the cluster cannot be used, or a worker was lost again and again.
    """
    with joined_to(address, workers):
        import ray

        there = ray.cluster_resources()
        size = PoolSize.of(worker.device, workers, there.get("CPU", 1), there.get("GPU", 0))
        writer = PieceWriter(place, heard)
        pool = ActorPool(packed(worker, worker.device if size.gpu else "cpu"), size, writer.take)
        try:
            for number, photos in writer.due(source, shard_size, part):
                shard = Pieces(number)
                for piece, items in enumerate(in_pieces(photos)):
                    shard.missing += 1
                    pool.give((shard, piece), items)
                shard.hash = photos.hash
                writer.settle(shard)
            pool.finish()
            writer.count_others()
        except DataError:
            pool.finish_what_can_be()  # complete shards are still written
            raise
        return writer.progress


def in_pieces(photos: ShardPhotos) -> Iterator[list[SourceItem]]:
    """Full batches, so that a worker makes the same ones of them; fewer where they contain the bytes of photos."""
    piece: list[SourceItem] = []
    for batch in bounded_batches(map(_absolute, photos), BATCH):
        piece += batch
        if len(piece) >= PIECE_PHOTOS or sum(len(item.data or b"") for item in piece) >= PIECE_BYTES:
            yield piece
            piece = []
    if piece:
        yield piece


def _absolute(item: SourceItem) -> SourceItem:
    """An item with an absolute path, since a worker's working folder may differ."""
    path = local_path(item.place) if item.place else None
    return item if path is None else replace(item, place=os.path.abspath(path))


def _lost(items: Sequence[SourceItem]) -> str:
    return (
        f"A worker was lost {TRIES + 1} times while it processed the photos from "
        f"{printable(f'{items[0].key} to {items[-1].key}')}. If it ran out of memory, use fewer workers. If a photo "
        "crashes it, remove that photo. Make the same call again to continue."
    )


_NOT_STARTED = (
    f"No worker could start. Every machine in the cluster needs gallop-explorer {__version__} with the extra many, and "
    "enough memory for a backbone."
)
