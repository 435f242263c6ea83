"""``gallop sort``: a pile of photos into folders by class, with a promise that checks earn."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from gallop.answers import PhotoScorer
from gallop.answers.sources import open_source
from gallop.checkpoints.hub import HUB
from gallop.cli.console import Console
from gallop.cli.inputs import trained_model
from gallop.cli.many import require_many, tell_progress
from gallop.errors import CommandError
from gallop.runtime.reading import read_text
from gallop.runtime.writing import locked, write_file
from gallop.service.sorting.folders import folder_names, place, undo
from gallop.service.sorting.page import check_page
from gallop.service.sorting.pile import MOST_BYTES, Line, Pile
from gallop.service.tables.destination import open_destination
from gallop.service.tables.layout import manifest_of, settle_manifest
from gallop.service.tables.run import score_source
from gallop.wording import counted, listed

SHARD = 512
"""Photos of a table of scores: a killed call scores at most so many again."""
_OURS = ("check.html", "checks.json", "rest.txt")


def run(options: Namespace, console: Console) -> int:
    """Score the photos, then write the page to check on, or place what is accepted."""
    require_many("gallop sort")
    photos, out = Path(os.path.realpath(options.photos)), Path(os.path.realpath(options.out))
    if not photos.is_dir():
        raise CommandError(f"{options.photos} is not a folder: pass a folder of photos.")
    if out.is_relative_to(photos):
        raise CommandError(f"--out {options.out} lies in {options.photos}, so its photos would be sorted again.")
    memory = out / ".gallop"
    try:
        with locked(memory / "lock", wait=False):
            if options.undo:
                done, failed = _follow(undo(photos, out, memory / "placed.json"), "moving back", console)
                console.result({"moved back": done, "failed": failed}, lambda: [f"{counted(done, 'photo')} moved back"])
                return 2 if failed else 0
            return _sort(photos, out, memory, options, console)
    except BlockingIOError as error:
        raise CommandError(f"Another gallop sort is at work in {options.out}: wait until it has ended.") from error


def _sort(photos: Path, out: Path, memory: Path, options: Namespace, console: Console) -> int:
    promised = options.promise != "none"
    pile = _pile(photos, memory, options, console)
    checks = Path(options.checks or out / "checks.json")
    if (options.checks or checks.exists()) and not pile.take(read_text(checks, MOST_BYTES)):
        console.note(f"{checks} has checks of another line, which are not used.")
    if options.line not in (None, pile.line.score):
        pile.move(options.line)
    pile.line.save(memory / "line.json")
    promise, page, failed = pile.promise, out / "check.html", 0
    if promise.kept or not promised:
        folders = folder_names(pile.line.classes, _OURS)
        targets = {key: folders[name] for key, name in pile.targets.items()}
        rest = [str(photos / key) for key in pile.keys if key not in targets]
        write_file(out / "rest.txt", "".join(f"{path}\n" for path in rest).encode("utf-8", "surrogateescape"))
        placing = place(photos, out, memory / "placed.json", targets, move=options.move)
        _, failed = _follow(placing, "moving" if options.move else "copying", console)
    else:
        console.progress("writing the page")
        write_file(page, check_page(pile, photos).encode())
    if pile.unread:
        console.warn(f"{counted(len(pile.unread), 'photo')} cannot be read: {listed(list(pile.unread.values()), 3)}")
    result = {
        "photos": len(pile.keys) + len(pile.unread),
        "errors": len(pile.unread),
        "accepted": len(pile.accepted),
        "none_of_these": int((pile.scores < 0).sum()),
        "line": pile.line.score,
        "checked": promise.checked,
        "wrong": promise.errors,
        "remaining": promise.remaining,
        "promise": promise.words if promised else "",
        "kept": promise.kept and promised,
        "next_line": pile.next_line,
        "placed": len(pile.targets) if promise.kept or not promised else 0,
        "page": None if promise.kept or not promised else str(page),
    }
    console.result(result, lambda: [f"{name.replace('_', ' ')}: {value}" for name, value in result.items()])
    return 2 if pile.unread or failed else 0


def _pile(photos: Path, memory: Path, options: Namespace, console: Console) -> Pile:
    """Return the pile, scored here or by an earlier call, which is continued where it was killed."""
    from pyarrow import parquet

    model = options.model if options.model.startswith(HUB) else os.path.realpath(options.model)
    scores, remembered = memory / "scores", memory / "line.json"
    if remembered.exists():
        line = Line.read(remembered)
        if (line.photos, line.model) != (str(photos), model):
            raise CommandError(f"{options.out} holds {line.photos}, sorted by {line.model}: choose another --out.")
    else:
        worker, place = PhotoScorer(trained_model(options.model, options)), open_destination(str(scores))
        settle_manifest(place, manifest_of(worker, source=str(photos), column=None, shard_size=SHARD))
        source = open_source(str(photos), worker.opener)
        done = score_source(source, worker, place, shard_size=SHARD, heard=lambda now: tell_progress(now, console))
        if not done.done + done.skipped:
            raise CommandError(f"{options.photos} contains no photos.")
        line = Line(str(photos), model, worker.classifier.classes_.tolist())
    names = ["key", "error", "label", "probability", "is_ood"]
    table = parquet.read_table(scores, columns=names).to_pydict()
    return Pile(table, line, 0.05 if options.promise == "none" else int(options.promise) / 100)


def _follow(steps: Iterator[str], what: str, console: Console) -> tuple[int, int]:
    """Go through photos that are placed; return for how many that was done, and for how many not."""
    done, problems = 0, list[str]()
    for done, problem in enumerate(steps, start=1):
        console.progress(what, done)
        problems += [problem] if problem else []
    if problems:
        console.warn(f"{counted(len(problems), 'photo')} stayed where they were: {listed(problems, 3)}")
    return done - len(problems), len(problems)
