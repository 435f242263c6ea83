"""``gallop sort``: a pile of photos into folders by class, with a promise that checks earn."""

from __future__ import annotations

import json
import os
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gallop.answers import PhotoScorer
from gallop.answers.sources import open_source
from gallop.checkpoints.hub import HUB
from gallop.cli.console import Console
from gallop.cli.inputs import trained_model
from gallop.cli.many import require_many, tell_progress
from gallop.errors import CommandError
from gallop.runtime.writing import locked, write_file
from gallop.service.sorting.folders import free_names, place, stored, undo
from gallop.service.sorting.page import check_page
from gallop.service.sorting.pile import COLUMNS, Pile
from gallop.service.tables.destination import open_destination
from gallop.service.tables.layout import manifest_of, settle_manifest
from gallop.service.tables.run import score_source
from gallop.wording import counted, listed

SHARD = 512  # photos of a table of scores: a killed call scores at most so many again
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
            if not options.undo:
                return _sort(photos, out, memory, options, console)
            _check_photos(stored(memory / "pile.json").get("photos"), photos, options)
            done, failed = _follow(undo(photos, out, memory / "placed.json"), "moving back", console)
    except BlockingIOError as error:
        raise CommandError(f"Another gallop sort is at work in {options.out}: wait until it has ended.") from error
    console.result({"moved back": done, "failed": failed}, lambda: [f"{counted(done, 'photo')} moved back"])
    return 2 if failed else 0


def _sort(photos: Path, out: Path, memory: Path, options: Namespace, console: Console) -> int:
    pile, placed, failed = _pile(photos, memory, options, console), 0, 0
    checks = Path(options.checks or out / "checks.json")
    if options.checks and not checks.exists():
        raise CommandError(f"--checks {options.checks} does not exist: save the checks on the page first.")
    if (options.checks or checks.exists()) and not pile.take(stored(checks)):
        console.note(f"{checks} has checks of another line, which are not used.")
    if options.line not in (None, pile.state["line"]):
        pile.move(options.line)
    write_file(memory / "pile.json", json.dumps(pile.state).encode())
    promise, page = pile.promise, out / "check.html"
    accepts = promise.kept or options.promise == "none"
    if accepts:
        placed, failed = _placed(pile, photos, out, options, console)
    elif promise.pile:
        console.progress("writing the page")
        write_file(page, check_page(pile, photos).encode())
    if pile.state["doubt"]:
        console.warn(pile.state["doubt"])
    if pile.unread:
        console.warn(f"{counted(len(pile.unread), 'photo')} cannot be read: {listed(list(pile.unread.values()), 3)}")
    result = {
        "photos": len(pile.keys) + len(pile.unread),
        "errors": len(pile.unread),
        "none_of_these": int((pile.scores < 0).sum()),
        "line": pile.state["line"],
        "accepted": promise.pile,
        "checked": promise.checked,
        "wrong": promise.errors,
        "remaining": promise.remaining,
        "promise": "none" if options.promise == "none" else promise.words,
        "next_line": pile.next_line if promise.kept or promise.errors else None,
        "placed": placed,
        "page": None if accepts or not promise.pile else str(page),
    }
    console.result(result, lambda: _table(result))
    return 2 if pile.unread or failed else 0


def _placed(pile: Pile, photos: Path, out: Path, options: Namespace, console: Console) -> tuple[int, int]:
    """Copy or move what is accepted and list the rest; return how many photos are placed, and how many are not."""
    classes, targets, record = pile.state["classes"], pile.targets, out / ".gallop" / "placed.json"
    folders, before = dict(zip(classes, free_names(classes, _OURS), strict=True)), stored(record)
    rest = "".join(f"{photos / key}\n" for key in pile.keys if key not in targets and key not in before)
    write_file(out / "rest.txt", rest.encode("utf-8", "surrogateescape"))
    goes = {key: folders[name] for key, name in targets.items()}
    placing = place(photos, out, record, goes, move=options.move)
    counts = _follow(placing, "moving" if options.move else "copying", console)
    if others := [path for key, path in before.items() if goes.get(key) != path.partition("/")[0]]:
        console.warn(
            f"{counted(len(others), 'photo')} of an earlier call would not go there now ({listed(others, 3)}), and "
            "nothing is promised of them: sort again after --undo."
        )
    return counts


def _check_photos(before: str | None, photos: Path, options: Namespace) -> None:
    """Refuse another folder of photos than that of the call which placed them."""
    if before not in (None, str(photos)):
        raise CommandError(f"{options.out} holds photos of {before}, not of {options.photos}: pass that folder.")


def _table(result: dict[str, Any]) -> list[str]:
    """Return a line for each figure that there is; scores to six digits, which is what a line is chosen to."""
    told = ((name.replace("_", " "), value) for name, value in result.items() if value is not None)
    return [f"{name}: {value:.6g}" if isinstance(value, float) else f"{name}: {value}" for name, value in told]


def _pile(photos: Path, memory: Path, options: Namespace, console: Console) -> Pile:
    """Return the pile, scored here or by an earlier call, which is continued where it was killed."""
    from pyarrow import parquet

    model = options.model if options.model.startswith(HUB) else os.path.realpath(options.model)
    asked, state = {"photos": str(photos), "model": model}, stored(memory / "pile.json")
    if not state:
        classifier, tables = trained_model(options.model, options), open_destination(str(memory / "scores"))
        worker = PhotoScorer(classifier)
        settle_manifest(tables, manifest_of(worker, source=str(photos), column=None, shard_size=SHARD))
        done = score_source(
            open_source(str(photos), worker.opener),
            worker,
            tables,
            shard_size=SHARD,
            heard=lambda now: tell_progress(now, console),
        )
        if not done.done + done.skipped:
            shutil.rmtree(memory / "scores")  # so that other photos may be sorted there
            raise CommandError(f"{options.photos} contains no photos.")
        state = {**asked, "classes": classifier.classes_.tolist(), "doubt": classifier.calibration_.doubt}
    if any(state.get(name) != value for name, value in asked.items()):
        raise CommandError(f"{options.out} holds other photos, or those of another model: choose another --out.")
    table = parquet.read_table(memory / "scores", columns=list(COLUMNS)).to_pydict()
    return Pile(table, state, 0.05 if options.promise == "none" else int(options.promise) / 100)


def _follow(steps: Iterator[str], what: str, console: Console) -> tuple[int, int]:
    """Go through photos that are placed; return for how many that was done, and for how many not."""
    problems = list[str]()
    for problem in steps:
        problems.append(problem)
        console.progress(what, len(problems))
    if failed := [problem for problem in problems if problem]:
        console.warn(f"{counted(len(failed), 'photo')} stayed where they were: {listed(failed, 3)}")
    return len(problems) - len(failed), len(failed)
