"""Runs as folders: what is in them, whose they are, and what happens when they cannot be written or read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from app.runs import store as run_store
from app.runs.run import Files, written
from app.runs.store import FACTS, FORMAT, MACHINE, OLD_FILE, Ledger, RunsProblem, RunStore, data_folder, owner_of
from tests.app.test_runs import run

FILES = Files('{"format": 1}', b"prompts")
NOW = {"made": time.time()}
VISITOR = owner_of(None, "a visitor's token")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    mine = run(0, **NOW, name="", class_names=("x", "\u00e4 \u732b"))
    number = Ledger(RunStore(tmp_path), "me").add(mine, FILES)
    found = Ledger(RunStore(tmp_path), "me").runs()  # as after a restart
    assert (found, found[0].data) == ([replace(mine, id=number, name=f"GalLoP {number}")], mine.data)
    assert Ledger(RunStore(tmp_path), "me").files(number) == FILES


def test_everybody_has_their_own(store: RunStore) -> None:
    number = Ledger(store, "me").add(run(0, **NOW), FILES)
    assert Ledger(store, "you").runs() == []
    with pytest.raises(RunsProblem, match="no longer exists"):
        Ledger(store, "you").files(number)
    Ledger(store, "you").rename(number, "mine now")
    Ledger(store, "you").delete(number)
    Ledger(store, "you").close()
    assert [found.name for found in Ledger(store, "me").runs()] == ["GalLoP 0"]
    Ledger(store, "me").close()
    assert Ledger(store, "me").runs() == []


def test_on_this_machine_there_is_one_owner_and_elsewhere_a_hash_of_the_token() -> None:
    assert owner_of("127.0.0.1", "a") == owner_of("localhost", "b") == owner_of("::1", "c") == MACHINE
    for address in ("0.0.0.0", None, "192.168.1.5", "127.0.0.1.example.org"):
        assert owner_of(address, "a") != owner_of(address, "b")
        assert "a" * 32 not in owner_of(address, "a" * 32)


def test_a_deleted_run_comes_back_until_the_next_one_goes(store: RunStore) -> None:
    first, second = (Ledger(store, "me").add(run(0, **NOW, name=name), FILES) for name in ("first", "second"))
    for _ in range(2):  # a click that comes twice deletes it once
        Ledger(store, "me").delete(first)
    Ledger(store, "me").undelete(first)
    assert [found.name for found in Ledger(store, "me").runs()] == ["second", "first"]
    Ledger(store, "me").delete(first)
    Ledger(store, "me").delete(second)
    Ledger(store, "me").undelete(first)
    assert Ledger(store, "me").runs() == [], "that one is gone, and the other was not asked for"
    Ledger(store, "me").undelete(second)
    assert [found.name for found in Ledger(store, "me").runs()] == ["second"]
    Ledger(store, "me").delete(second)
    third = Ledger(store, "me").add(run(0, **NOW), FILES)
    assert third not in (first, second), "sessions remember a run's answers by its number"


def test_what_was_deleted_is_gone_after_a_restart(store: RunStore, tmp_path: Path) -> None:
    number = Ledger(store, MACHINE).add(run(0, **NOW), FILES)
    Ledger(store, MACHINE).delete(number)
    again = Ledger(RunStore(tmp_path), MACHINE)
    again.undelete(number)
    assert (again.runs(), list(store.path.rglob(FACTS))) == ([], [])


def test_names_are_one_line_and_short_and_never_empty(store: RunStore) -> None:
    number = Ledger(store, "me").add(run(0, **NOW), FILES)
    Ledger(store, "me").rename(number, "a\n\x1b[31mb\u202e c" + "x" * 200)
    (found,) = Ledger(store, "me").runs()
    assert (found.name[:9], len(found.name)) == ("a [31mb c", run_store.MOST_NAME)
    Ledger(store, "me").rename(number, " \n ")
    assert Ledger(store, "me").runs() == [found]
    Ledger(store, "me").rename(number + 1, "there is none")
    assert Ledger(store, "me").runs() == [found]


@pytest.mark.parametrize(
    ("limit", "most", "words"),
    [
        ("MOST_RUNS", 2, r"exceed the limit of 2 runs or 1024 MB\. Delete some"),
        ("MOST_BYTES", 5 * 2**20, r"exceed the limit of 200 runs or 5 MB\. Delete some"),
    ],
)
def test_there_is_a_most_and_it_is_told(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, words: str
) -> None:
    monkeypatch.setattr(run_store, limit, most)
    files = Files("{}", bytes(2 * 2**20))
    for owner in ("me", "me", "you"):
        Ledger(store, owner).add(run(0, **NOW), files)
    with pytest.raises(RunsProblem, match=words):
        Ledger(store, "me").add(run(0, **NOW), files)
    assert [len(Ledger(store, owner).runs()) for owner in ("me", "you")] == [2, 1]


def test_a_damaged_run_and_one_of_a_newer_version_are_told_and_left_alone(store: RunStore) -> None:
    """And one whose head is not here."""
    mine = Ledger(store, "me")
    for _ in range(5):
        mine.add(run(0, **NOW), FILES)
    facts = [store.path / "me" / str(number) / FACTS for number in range(1, 6)]
    whole = json.loads(facts[1].read_text())
    facts[0].write_text("{")
    facts[2].write_text(json.dumps(whole | {"format": FORMAT + 1}))
    facts[3].write_text(json.dumps(whole | {"settings": whole["settings"] | {"head": "logistic"}}))
    facts[4].unlink()
    left = [path.read_bytes() for path in facts[:4]]
    assert ([found.id for found in mine.runs()], "run 5, 4, 3, 1." in mine.note) == ([2], True)
    mine.rename(1, "other")
    assert (mine.add(run(0, **NOW), FILES), [path.read_bytes() for path in facts[:4]]) == (6, left)
    (store.path / "me" / "2" / "gallop.json").write_bytes(b"\xff")
    with pytest.raises(RunsProblem, match="cannot be read"):
        mine.files(2)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_its_owner_may_read_a_run(store: RunStore) -> None:
    Ledger(store, MACHINE).rename(Ledger(store, MACHINE).add(run(0, **NOW), FILES), "other")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (store.path, *store.path.rglob("*"))}
    assert modes == {0o700, 0o600}


def test_what_a_program_has_written_of_a_run_when_it_is_killed_is_no_run_and_goes(store: RunStore) -> None:
    mine = Ledger(store, "me")
    first = mine.add(run(0, **NOW), FILES)
    shutil.copytree(store.path / "me" / str(first), store.path / "me" / "draft of another")
    assert [found.id for found in mine.runs()] == [first]
    second = mine.add(run(0, **NOW), FILES)
    assert {path.parent.name for path in store.path.rglob(FACTS)} == {str(first), str(second)}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunsProblem, match="cannot be written"):
        Ledger(RunStore(tmp_path / "file" / "deeper"), "me").runs()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a disk of 2 MB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "much").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))


def forbid(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@pytest.mark.parametrize("spoil", [fill, forbid])
def test_runs_are_read_where_nothing_can_be_written(disk: Path, spoil: Callable[[Path], None]) -> None:
    used = RunStore(disk)
    number = Ledger(used, "me").add(run(0, **NOW, name="first"), FILES)
    spoil(disk)
    for store in (used, RunStore(disk)):
        mine = Ledger(store, "me")
        assert ([found.name for found in mine.runs()], mine.files(number)) == (["first"], FILES)
        assert (Ledger(store, "you").runs(), "still shown" in store.only_read) == ([], True)
        with pytest.raises(RunsProblem, match="cannot be written"):
            mine.add(run(0, **NOW), FILES)
        Ledger(store, "you").close()  # an error would end the thread that closes sessions
    assert [path.name for path in (disk / "runs" / "me").iterdir() if path.is_dir()] == [str(number)]


def no_room(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_runs_are_saved_once_there_is_room(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Ledger(store, "me")
    mine.add(run(0, **NOW, name="mine"), FILES)
    with monkeypatch.context() as full:
        full.setattr(run_store.tempfile, "TemporaryFile", no_room)
        full.setattr(run_store, "write_file", no_room)
        assert ([found.name for found in mine.runs()], "No space left" in store.only_read) == (["mine"], True)
        with pytest.raises(RunsProblem, match="cannot be written"):
            mine.add(run(0, **NOW), FILES)
    mine.add(run(0, **NOW), FILES)
    assert (len(mine.runs()), store.only_read) == (2, "")


@pytest.mark.parametrize("time_", range(3))  # whoever comes second may meet a file that is half made
def test_several_threads_may_write_at_once(tmp_path: Path, time_: int) -> None:
    store, other = RunStore(tmp_path), RunStore(tmp_path)
    together = threading.Barrier(3)

    def write(here: RunStore) -> None:
        together.wait()
        for _ in range(5):
            Ledger(here, "me").add(run(0, **NOW), FILES)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, (store, store, other)))
    assert len(Ledger(store, "me").runs()) == 15


def test_what_a_server_that_crashed_left_of_visitors_goes_and_the_machines_stays(tmp_path: Path) -> None:
    store, old = RunStore(tmp_path), time.time() - 2 * run_store.ORPHANED
    owners = (MACHINE, VISITOR, owner_of(None, "new"), "not of this app")
    for owner, made in zip(owners, (old, old, time.time(), old), strict=True):
        Ledger(store, owner).add(run(0, **NOW), FILES)
        os.utime(store.path / owner, (made, made))
    left = RunStore(tmp_path)  # once the server has started again
    assert [len(Ledger(left, owner).runs()) for owner in owners] == [1, 0, 1, 1]


def write_old(path: Path, *, owner: str = MACHINE) -> None:
    """Write runs as the older version did: of this machine, one of them deleted and one damaged, and a visitor's."""
    facts = written(run(0))
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            "CREATE TABLE runs (id INTEGER PRIMARY KEY, owner TEXT, name TEXT, made REAL, size INTEGER, "
            "deleted INTEGER, facts TEXT, checkpoint TEXT, prompts BLOB)"
        )
        rows = [(owner, "first", 0, facts), (owner, "gone", 1, facts), (owner, "damaged", 0, "{}")]
        rows += [(owner, "second", 0, facts), (VISITOR, "of a visitor", 0, facts)]
        database.executemany(
            "INSERT INTO runs (owner, name, made, size, deleted, facts, checkpoint, prompts) "
            "VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
            [(who, name, n + 0.5, dead, all_, *vars(FILES).values()) for n, (who, name, dead, all_) in enumerate(rows)],
        )


def test_runs_of_an_older_version_are_taken_over_once(store: RunStore, tmp_path: Path) -> None:
    write_old(tmp_path / OLD_FILE)
    mine = Ledger(store, MACHINE)
    assert [(found.name, found.made, mine.files(found.id)) for found in mine.runs()] == [
        ("second", 3.5, FILES),
        ("first", 0.5, FILES),
    ]
    (kept,) = tmp_path.glob("*.sqlite")
    assert (kept.name.startswith("runs taken over "), store.note, len(list(store.path.iterdir()))) == (True, "", 1)
    assert [words in kept.read_bytes() for words in (b"second", b"damaged", b"of a visitor")] == [True, True, False]
    write_old(tmp_path / OLD_FILE)  # as where the program was killed before it renamed the file
    assert [found.name for found in Ledger(RunStore(tmp_path), MACHINE).runs()] == ["second", "first"]


@pytest.mark.parametrize("damage", ["no database", "half", "another program's"])
def test_a_damaged_file_of_an_older_version_is_told_and_left_alone(tmp_path: Path, damage: str) -> None:
    old = tmp_path / OLD_FILE
    write_old(old)
    whole = old.read_bytes()
    old.write_bytes({"no database": b"no" * 999, "half": whole[:4200]}.get(damage, whole.replace(b"runs", b"rubs")))
    left, store = old.read_bytes(), RunStore(tmp_path)
    mine = Ledger(store, MACHINE)
    assert (mine.runs(), old.read_bytes(), str(old) in store.note) == ([], left, True)
    assert mine.add(run(0, **NOW), FILES) == mine.runs()[0].id


def test_the_folder_is_the_users_and_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GALLOP_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("GALLOP_DATA")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert data_folder() == tmp_path / "share" / "gallop"
