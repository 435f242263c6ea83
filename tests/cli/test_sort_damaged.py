"""What ``gallop sort`` remembers, damaged in all ways: each call ends in a sentence, and no photo is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.cli.test_sort import checked, rows_of, sort
from tests.cli.test_sort import model as model

NAN, HUGE = float("nan"), 10**400
PILE, PLACED, SCORES = ".gallop/pile.json", ".gallop/placed.json", ".gallop/scores.jsonl"
JUNK = {
    "is empty": b"",
    "is noise": bytes(range(256)),
    "is a number": b"3",
    "is null": b"null",
    "is text": b'"text"',
    "is a list": b"[1]",
    "is pairs": b'[["a", "b"]]',
    "is nested": b"[" * 100_000,
}
FIELDS: dict[str, list[Any]] = {
    "line": ["0.5", None, [], NAN, {}, HUGE],
    "moved": [-1, 1.5, "1", True, 10**12, None],
    "strictest": [0, "0.05", [], NAN],
    "scored": ["5", -3, 10**18, None, 0, 1.5],
    "known": [[], "x", {"red/0.png": 3}, {"red/0.png": ["red"]}, {"red/0.png": "mouse"}, {"../x": "red"}],
    "photos": [3, None, [], "/nowhere"],
    "model": [3, None, []],
    "classes": [3, None, ["mouse"]],
}
PLACES: list[Any] = [3, None, ["red/0.png"], "red/a\0b.png", "", ".", "..", "red", f"red/{'x' * 5000}", "red/" * 500]
ROWS: list[dict[str, Any]] = [
    *({"probability": value} for value in ("0.9", NAN, HUGE, -1, None, [])),
    *({"label": value} for value in ("mouse", ["red"], 3)),
    *({"is_ood": value} for value in ("no", [], 2)),
    *({"file": value} for value in ("x", None, [0, "0"])),
    *({"key": value} for value in (3, ["red/0.png"], "\ud800", "red/nowhere.png", "x" * 5000)),
]


def edited(out: Path, file: str, **change: Any) -> None:
    (out / file).write_text(json.dumps(json.loads((out / file).read_text()) | change))


def rows_edited(out: Path, change: dict[str, Any]) -> None:
    (out / SCORES).write_text("\n".join(json.dumps(row | change) for row in rows_of(out)))


def linked(out: Path, file: str, to: str) -> None:
    (out / file).unlink()
    (out / file).symlink_to(to)


def made_a_folder(out: Path, file: str) -> None:
    (out / file).unlink(missing_ok=True)
    (out / file).mkdir()


def replaced_by_a_file(out: Path) -> None:
    shutil.rmtree(out / ".gallop")
    (out / ".gallop").write_bytes(b"")


def damages() -> dict[str, Callable[[Path], object]]:
    """By name, what is done to the folder of a pile that was sorted."""
    found: dict[str, Callable[[Path], object]] = {".gallop is a file": replaced_by_a_file}
    for file in (PILE, PLACED, SCORES, "checks.json"):
        name = Path(file).name
        for what, junk in JUNK.items():
            found[f"{name} {what}"] = lambda out, file=file, junk=junk: (out / file).write_bytes(junk)
        found |= {
            f"{name} is cut": lambda out, file=file: os.truncate(out / file, (out / file).stat().st_size // 2),
            f"{name} is gone": lambda out, file=file: (out / file).unlink(),
            f"{name} is a folder": partial(made_a_folder, file=file),
            f"{name} leads nowhere": partial(linked, file=file, to="nowhere"),
            f"{name} leads to itself": partial(linked, file=file, to=Path(file).name),
            f"{name} has no end": partial(linked, file=file, to="/dev/zero"),
            f"{name} is huge": lambda out, file=file: os.truncate(out / file, 2**33),
            f"{name} may not be read": lambda out, file=file: (out / file).chmod(0),
        }
    found["lock is a folder"] = partial(made_a_folder, file=".gallop/lock")
    for field, values in FIELDS.items():
        for value in values:
            found[f"{field} is {str(value)[:20]!r}"] = partial(edited, file=PILE, **{field: value})
    for value in PLACES:
        found[f"placed at {str(value)[:20]!r}"] = partial(edited, file=PLACED, **{"red/0.png": value})
        found[f"placed from {str(value)[:20]!r}"] = partial(edited, file=PLACED, **{str(value): "red/1.png"})
    for row in ROWS:
        found[f"scores with {str(row)[:30]}"] = partial(rows_edited, change=row)
    return found


DAMAGES = damages()
FIRST = [
    "line is '0.5'",
    "moved is '1'",
    "strictest is '[]'",
    "known is 'x'",
    "placed at '3'",
    "placed at 'red/a\\x00b.png'",
]
"""In the first tier: of each field one value with which it once ended in a traceback."""


def contents(*folders: Path) -> list[bytes]:
    """All photos, wherever they are."""
    return sorted(path.read_bytes() for folder in folders for path in folder.rglob("*.png") if path.is_file())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A pile of which some photos were checked and some moved, to be copied: where it lies is remembered, too."""
    folder = tmp_path_factory.mktemp("kept")
    photos, out = tiny.write_folder(folder / "now" / "photos", {"red": 6, "green": 6}), folder / "now" / "out"
    sort(photos, model, out, "--line", 0.1)
    checked(out, 2)
    line = sorted(row["probability"] for row in rows_of(out))[6]
    moved = sort(photos, model, out, "--line", line, "--promise", "none", "--move").json
    assert 0 < moved["placed"] < 12
    shutil.copytree(folder / "now", folder / "before")
    return folder


@pytest.fixture
def pile(kept: Path) -> tuple[Path, Path]:
    shutil.rmtree(kept / "now")
    shutil.copytree(kept / "before", kept / "now")
    return kept / "now" / "photos", kept / "now" / "out"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FIRST else pytest.mark.slow) for name in DAMAGES]
)
def test_a_damaged_memory_ends_in_a_sentence_and_loses_no_photo(
    pile: tuple[Path, Path], model: Path, name: str
) -> None:
    (photos, out), before = pile, contents(*pile)
    DAMAGES[name](out)
    for words in (["--promise", "none", "--move"], ["--undo"], ["--promise", "none", "--move"]):
        done = sort(photos, model, out, *words)  # a traceback is raised
        assert done.code in (0, 2)
        assert done.code == 0 or re.search("^gallop: (error|warning): .+[.]$", done.err, re.MULTILINE), done.err
        assert contents(photos, out) == before, words
