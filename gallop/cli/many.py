"""``predict --out``: a source into a folder of tables, with progress, errors and Ctrl-C."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import find_spec
from itertools import chain

from gallop.answers.scorer import PhotoScorer
from gallop.answers.sources import Opener, open_source
from gallop.cli.console import Console
from gallop.errors import CommandError, KeysRefused, Unreachable
from gallop.service.tables.destination import open_destination
from gallop.service.tables.layout import manifest_of, settle_manifest
from gallop.service.tables.on_ray import score_on_ray
from gallop.service.tables.run import ScoringProgress, score_source
from gallop.wording import listed


def require_many(what: str) -> None:
    """Raise CommandError where a package of the extra ``many`` is missing."""
    if missing := [name for name in ("pyarrow", "fsspec", "httpcore") if find_spec(name) is None]:
        raise CommandError(f"{listed(missing)} must be installed for {what}: pip install 'gallop-explorer[many]'.")


def opener_of(options: Namespace, source: str | None) -> Opener:
    """Return what opens the photos of a source; of any bucket where it is None."""
    return Opener(web=options.web, home=None if options.buckets else source, allow="--{}")


def answer_many(source: str, worker: PhotoScorer, options: Namespace, console: Console) -> int:
    """Write the answers to all photos of a source.

    Returns the exit status: 2 where a photo has no answer, in tables of this call or in those that it found.
    """
    require_many("--out")
    if options.engine == "ray" and find_spec("ray") is None:
        raise CommandError("ray must be installed for --engine ray: pip install 'gallop-explorer[many,ray]'.")
    if options.engine != "ray" and (options.address or options.workers):
        raise CommandError("--address and --workers only apply to --engine ray: add --engine ray.")
    place = open_destination(options.out)
    photos = iter(open_source(source, worker.opener, options.column))
    first = next(photos, None)
    if first is None:
        raise CommandError(f"{source} contains no photos.")
    console.progress("loading the model")
    settle_manifest(place, manifest_of(worker, source=source, column=options.column, shard_size=options.shard_size))
    last = ScoringProgress()

    def heard(progress: ScoringProgress) -> None:
        nonlocal last
        last = progress
        tell_progress(progress, console)

    try:
        all_photos, how = chain([first], photos), {"shard_size": options.shard_size, "part": options.part}
        if options.engine == "ray":
            how |= {"address": options.address, "workers": options.workers}
            score_on_ray(all_photos, worker, place, heard=heard, **how)
        else:
            score_source(all_photos, worker, place, heard=heard, **how)
    except (KeyboardInterrupt, Unreachable, KeysRefused) as stopped:
        tables = "1 table was" if last.shards == 1 else f"{last.shards} tables were"
        raise type(stopped)(
            f"{str(stopped) or 'Stopped.'} {tables} written to {place.name}. Run the same command again to continue."
        ) from None
    if not (last.done or last.skipped):
        console.warn(
            f"Part {options.part[0]} of {options.part[1]} has no table to write: {source} fills fewer than "
            f"{options.part[1]} tables of {options.shard_size} photos. Use fewer parts, or a smaller "
            "--shard-size with a new --out folder."
        )
    return _conclude(last, place.name, console)


def _conclude(last: ScoringProgress, out: str, console: Console) -> int:
    """Write what was done, and return the exit status."""
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


def tell_progress(progress: ScoringProgress, console: Console) -> None:
    """Show the progress."""
    before = f", {progress.skipped} done before" if progress.skipped else ""
    console.progress(
        "photos",
        progress.done,
        note=f"{progress.rate:.1f} per second, {progress.errors} failed{before}",
        facts={
            "photos": progress.done,
            "errors": progress.errors,
            "skipped": progress.skipped,
            "tables": progress.shards,
            "a_second": round(progress.rate, 2),
            "seconds": round(progress.seconds, 1),
        },
    )
