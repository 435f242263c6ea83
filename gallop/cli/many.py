"""What ``predict --out`` and ``embed`` share: a source into a folder of tables, with progress, errors and Ctrl-C."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import chain

from gallop.cli.console import Console
from gallop.errors import CommandError, KeysRefused, Unreachable
from gallop.scoring.destination import open_destination
from gallop.scoring.layout import manifest_of, settle_manifest
from gallop.scoring.on_ray import Cluster, score_on_ray
from gallop.scoring.run import ScoringProgress, score_source
from gallop.scoring.scorer import PhotoEmbedder, PhotoScorer
from gallop.scoring.sources import Opener, Source, SourceItem, open_source
from gallop.wording import listed


def require_many(what: str) -> None:
    """Raise CommandError where a package of the extra ``many`` is missing."""
    if missing := [name for name in ("pyarrow", "fsspec", "httpcore") if find_spec(name) is None]:
        raise CommandError(f"{listed(missing)} must be installed for {what}: pip install 'gallop-explorer[many]'.")


def opener_of(options: Namespace, source: str) -> Opener:
    """Return what opens the photos of a source."""
    return Opener(web=options.web, home=None if options.buckets else source, allow="--{}")


class Counting:
    """A source, and how many photos of it were taken.

    Attributes:
        passed: photos that were handed on.
        total: photos that there are; None until that is known, and for ever where it cannot be told beforehand.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.passed = 0
        self.total: int | None = None

    def __iter__(self) -> Iterator[SourceItem]:
        for item in self._source:
            self.passed += 1
            yield item

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Count on a thread of its own, as long as the block takes."""
        ended = threading.Event()

        def count() -> None:
            with suppress(Exception):  # who goes through the source meets it too, and tells
                found = self._source.total(lambda: not ended.is_set())
                if not ended.is_set():
                    self.total = found

        threading.Thread(target=count, name="counting", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def seconds_left(self, rate: float, parts: int = 1) -> float | None:
        """Return what the rest takes one of so many parts, at photos a second; None as long as nobody knows."""
        if self.total is None or not rate:
            return None
        return max(self.total - self.passed, 0) / parts / rate


def answer_many(source: str, worker: PhotoScorer | PhotoEmbedder, options: Namespace, console: Console) -> int:
    """Write the answers to all photos of a source.

    Returns the exit status: 2 where the folder holds a photo without an answer, whichever call wrote its row.
    """
    require_many("--out")
    if options.engine == "ray" and find_spec("ray") is None:
        raise CommandError("ray must be installed for --engine ray: pip install 'gallop-explorer[many,ray]'.")
    if options.engine != "ray" and (options.address or options.workers):
        raise CommandError("--address and --workers are for --engine ray: give it as well.")
    place = open_destination(options.out)
    counting = Counting(open_source(source, worker.opener, options.column))
    photos = iter(counting)
    first = next(photos, None)
    if first is None:
        raise CommandError(f"{source} holds no photos.")
    console.progress("loading the model")
    asked = {"source": source, "column": options.column, "shard_size": options.shard_size}
    settle_manifest(place, manifest_of(worker, **asked))
    last = ScoringProgress()

    def heard(progress: ScoringProgress) -> None:
        nonlocal last
        last = progress
        _tell(progress, counting, options.part[1], console)

    try:
        with counting.meanwhile():
            all_photos, how = chain([first], photos), {"shard_size": options.shard_size, "part": options.part}
            if options.engine == "ray":
                cluster = Cluster(options.address, options.workers)
                score_on_ray(all_photos, worker, place, cluster=cluster, heard=heard, **how)
            else:
                score_source(all_photos, worker, place, heard=heard, **how)
    except (KeyboardInterrupt, Unreachable, KeysRefused) as stopped:
        tables = "1 table was" if last.shards == 1 else f"{last.shards} tables were"
        written = f"{tables} written to {place.name}; the same call goes on after that."
        raise type(stopped)(f"{str(stopped) or 'Stopped.'} {written}") from None
    if counting.passed <= options.shard_size * (options.part[0] - 1):
        console.warn(
            f"Part {options.part[0]} of {options.part[1]} has no table to write: {source} fills too few tables of "
            f"{options.shard_size} photos. Make fewer parts, or begin in another folder with a smaller --shard-size."
        )
    return _conclude(last, place.name, console)


def _conclude(last: ScoringProgress, out: str, console: Console) -> int:
    """Say what was done, and return the exit status."""
    result = {
        "out": out,
        "answered": last.done - last.errors,
        "errors": last.errors,
        "skipped": last.skipped,
        "skipped_errors": last.skipped_errors,
        "tables": last.shards,
        "seconds": round(last.seconds, 3),
    }
    console.result(result, lambda: [f"{name}: {value}" for name, value in result.items()])
    return 2 if last.errors or last.skipped_errors else 0


def _tell(progress: ScoringProgress, counting: Counting, parts: int, console: Console) -> None:
    """How far it is, with what is left where that is known by now."""
    left = counting.seconds_left(progress.rate, parts)
    words = [f"{progress.rate:.1f} a second", f"{progress.errors} without an answer"]
    if progress.skipped:
        words.append(f"{progress.skipped} there already")
    if left is not None:
        words.append(f"{_duration(left)} left")
    facts = {
        "photos": progress.done,
        "errors": progress.errors,
        "skipped": progress.skipped,
        "tables": progress.shards,
        "a_second": round(progress.rate, 2),
        "total": counting.total,
        "seconds": round(progress.seconds, 1),
        "seconds_left": None if left is None else round(left, 1),
    }
    console.progress("photos", progress.done, note=", ".join(words), facts=facts)


def _duration(seconds: float) -> str:
    """Two units are enough of what is a guess.

    >>> _duration(59.6), _duration(3 * 3600 + 20), _duration(80 * 3600)
    ('1 min', '3 h 0 min', '3 d 8 h')
    """
    minutes = round(seconds / 60)
    if not minutes:
        return f"{round(seconds)} s"
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
