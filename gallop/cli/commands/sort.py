"""``gallop sort``: a pile of photos into folders by class, with a promise that checks earn."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gallop.answers import PhotoScorer
from gallop.answers.scorer import manifest_of
from gallop.cli.console import Console
from gallop.cli.inputs import trained_model
from gallop.errors import CommandError
from gallop.model.scores import VERDICT
from gallop.runtime.writing import free_names, locked, write_file
from gallop.service.sorting.page import check_page
from gallop.service.sorting.scored_pile import Pile, is_state
from gallop.service.sorting.scores_file import read_scores, score_pile
from gallop.service.sorting.sort_into_folders import is_linked, place, read_places, stored, undo
from gallop.wording import counted, listed

_OURS = ("check.html", "checks.json", "rest.txt")


def run(options: Namespace, console: Console) -> int:
    """Score the photos, then write the page to check on, or place what is accepted."""
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
            before = stored(memory / "pile.json", "remove it to undo all the same")
            _check_same(before, {"photos": str(photos)}, options)
            done, failed = _follow(undo(photos, out, memory / "placed.json"), "moving back", console)
    except BlockingIOError as error:
        raise CommandError(f"Another gallop sort is at work in {options.out}: wait until it has ended.") from error
    console.result({"moved back": done, "failed": failed}, lambda: [f"{counted(done, 'photo')} moved back"])
    return 2 if failed else 0


def _sort(photos: Path, out: Path, memory: Path, options: Namespace, console: Console) -> int:
    checks = Path(options.checks or out / "checks.json")
    if options.checks and not checks.exists():
        raise CommandError(f"--checks {options.checks} does not exist: save the checks on the page first.")
    pile, placed, failed = _pile(photos, out, checks, options, console), 0, 0
    if options.line not in (None, pile.state["line"]):
        pile.move(options.line)
    write_file(memory / "pile.json", json.dumps(pile.state).encode())
    promise, page = pile.promise, out / "check.html"
    accepts = promise.kept or options.promise == "none"
    if accepts:
        placed, failed = _placed(pile, photos, out, options, console)
    elif promise.pile:
        console.progress("writing the page")
        places = read_places(memory / "placed.json").items()
        moved = {key: out / path for key, path in places if not (photos / key).exists()}
        write_file(page, check_page(pile, photos, moved).encode())
    for warning in filter(None, (pile.state["doubt"], pile.state["unlike"])):
        console.warn(warning)
    if pile.unread:
        console.warn(f"{counted(len(pile.unread), 'photo')} cannot be read: {listed(list(pile.unread.values()), 3)}")
    result = {
        "photos": len(pile.keys) + len(pile.unread),
        "errors": len(pile.unread),
        "none_of_these": int((pile.scores < 0).sum()),
        "unlike_shots": pile.state["unlike"],
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
    folders, before = dict(zip(classes, free_names(classes, _OURS), strict=True)), read_places(record)
    rest = "".join(f"{photos / key}\n" for key in pile.keys if key not in targets and key not in before)
    write_file(out / "rest.txt", rest.encode("utf-8", "surrogateescape"))
    goes = {key: folders[name] for key, name in targets.items() if name in folders}
    if options.move and (linked := [key for key in goes if is_linked(photos, key)]):
        console.note(f"Copied, not moved, since links lead to them: {counted(len(linked), 'photo')}.")
    placing = place(photos, out, record, goes, move=options.move)
    counts = _follow(placing, "moving" if options.move else "copying", console)
    if others := [path for key, path in before.items() if goes.get(key) != path.partition("/")[0]]:
        console.warn(
            f"{counted(len(others), 'photo')} of an earlier call would not go there now ({listed(others, 3)}), and "
            "nothing is promised of them: sort again after --undo."
        )
    return counts


def _check_same(before: Mapping[str, Any], now: Mapping[str, Any], options: Namespace) -> None:
    """Refuse another folder of photos, or another model, than that of the calls before."""
    if before.get("photos", now["photos"]) != now["photos"]:
        raise CommandError(
            f"{options.out} holds photos of {before['photos']}, not of {options.photos}: pass that folder, or choose "
            "another --out."
        )
    if before.get("model") != now.get("model", before.get("model")):
        raise CommandError(
            f"{options.out} was sorted by another model than the one that is at {options.model} now, and its checks "
            "are of other answers: pass that model, or choose another --out."
        )


def _table(result: dict[str, Any]) -> list[str]:
    """Return a line for each figure that there is; scores to six digits, which is what a line is chosen to."""
    told = ((name.replace("_", " "), value) for name, value in result.items() if value not in (None, ""))
    return [f"{name}: {value:.6g}" if isinstance(value, float) else f"{name}: {value}" for name, value in told]


def _pile(photos: Path, out: Path, checks: Path, options: Namespace, console: Console) -> Pile:
    """Return the pile, scored here or by an earlier call, which is continued where it was killed, with its checks."""
    memory = out / ".gallop"
    kept = {key for key, path in read_places(memory / "placed.json").items() if os.path.lexists(out / path)}
    state = stored(memory / "pile.json", "restore it, or remove it to begin anew", is_state)
    given = stored(checks, "save the checks again on the page") if checks.exists() else {"checks": {}}
    console.progress("loading the model")
    classifier = trained_model(options.model, options)
    worker, classes, scores = PhotoScorer(classifier), classifier.classes_.tolist(), memory / "scores.jsonl"
    asked = {"photos": str(photos), "model": manifest_of(worker)}
    if "line" in state:
        _check_same(state, asked, options)
    elif state != asked:
        scores.unlink(missing_ok=True)  # of other photos or another model, by a call that was stopped
        write_file(memory / "pile.json", json.dumps(asked).encode())
    lines, unread = score_pile(photos, scores, kept, worker, partial(console.progress, "photos"))
    before, now = read_scores(lines[: state.get("scored", 0)], classes), read_scores(lines, classes)
    if not now and not unread:
        raise CommandError(f"{options.photos} contains no photos.")
    came, gone = sum(before.get(key) != row for key, row in now.items()), len(before.keys() - now.keys())
    if "line" in state and (came or gone):
        console.note(
            f"Since the last call {counted(came, 'photo')} came or changed (scored now), {gone} went (left out)."
        )
    unlike = classifier.calibration_.unlike([row[VERDICT] for row in now.values() if VERDICT in row])
    state |= {"classes": classes, "doubt": classifier.calibration_.doubt, "unlike": unlike, "scored": len(lines)}
    old = Pile(before.values(), state | asked, 0.05 if options.promise == "none" else int(options.promise) / 100)
    old.take(given)
    pile = old.follow([*now.values(), *unread], {key for key, row in before.items() if now.get(key) != row})
    if checks.exists() and not (pile.begun or pile.take(given)):
        console.note(f"{checks} has checks of another line, or of other photos: the promise takes new ones.")
    return pile


def _follow(steps: Iterator[str], what: str, console: Console) -> tuple[int, int]:
    """Go through photos that are placed; return for how many that was done, and for how many not."""
    problems = list[str]()
    for problem in steps:
        problems.append(problem)
        console.progress(what, len(problems))
    if failed := [problem for problem in problems if problem]:
        console.warn(
            f"{counted(len(failed), 'photo')} stayed where they were: {listed(failed, 3)} "
            "Mend that, and run the same command again."
        )
    return len(problems) - len(failed), len(failed)
