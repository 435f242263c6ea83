"""What ``predict --out`` and ``embed`` share: a source into a folder of tables, with progress, errors and Ctrl-C."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import find_spec
from itertools import chain

from gallop.cli.console import Console
from gallop.errors import CommandError
from gallop.scoring.destination import open_destination
from gallop.scoring.layout import Layout
from gallop.scoring.manifest import manifest_of, settle_manifest
from gallop.scoring.run import ScoringProgress, score_source
from gallop.scoring.scorer import PhotoEmbedder, PhotoScorer
from gallop.scoring.sources import Opener, open_source


def opener_of(options: Namespace) -> Opener:
    """Return what opens the photos of a call."""
    return Opener(web=options.web)


def answer_many(
    source: str, worker: PhotoScorer | PhotoEmbedder, options: Namespace, console: Console, layout: Layout
) -> int:
    """Write the answers to all photos of a source. Returns the exit status: 2 where one has none."""
    if missing := [name for name in ("pyarrow", "fsspec") if find_spec(name) is None]:
        raise CommandError(f"{' and '.join(missing)} must be installed for --out: pip install 'gallop-explorer[many]'.")
    place = open_destination(options.out)
    photos = iter(open_source(source, worker.opener, options.column))
    first = next(photos, None)
    if first is None:
        raise CommandError(f"{source} holds no photos.")
    console.progress("loading the model")
    asked = {"source": source, "column": options.column, "shard_size": options.shard_size, "layout": layout.name}
    settle_manifest(place, manifest_of(worker, **asked))
    last = ScoringProgress()

    def heard(progress: ScoringProgress) -> None:
        nonlocal last
        last = progress
        words = f"{progress.rate:.1f} a second, {progress.errors} without an answer, {progress.skipped} there already"
        console.progress("photos", progress.done, note=words)

    try:
        how = {"layout": layout, "shard_size": options.shard_size, "part": options.part}
        last = score_source(chain([first], photos), worker, place, heard=heard, **how)
    except KeyboardInterrupt:
        tables = "1 table was" if last.shards == 1 else f"{last.shards} tables were"
        raise KeyboardInterrupt(
            f"Stopped. {tables} written to {place.name}; the same call goes on after that."
        ) from None
    result = {
        "out": place.name,
        "answered": last.done - last.errors,
        "errors": last.errors,
        "skipped": last.skipped,
        "tables": last.shards,
        "seconds": round(last.seconds, 3),
    }
    console.result(result, lambda: [f"{name}: {value}" for name, value in result.items()])
    return 2 if last.errors else 0
