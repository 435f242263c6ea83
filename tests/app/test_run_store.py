"""Runs as folders: what is in them, whose they are, and what happens when they cannot be written or read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
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

from app.jobs import PlainError
from app.runs import store as run_store
from app.runs.run import FACTS, FORMAT, MOST_NAME
from app.runs.store import MACHINE, Ledger, data_folder, owner_of, runs_folder
from tests.app.test_runs import run

FILES = {"gallop.json": b'{"format": 1}', "prompts.safetensors": b"prompts"}
VISITOR = owner_of(None, "a visitor's token")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return runs_folder(tmp_path)


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    mine = run(0, name="", class_names=("x", "y", "\u00e4 \u732b"), project="shop")
    number = Ledger(runs_folder(tmp_path), "me").add(mine, FILES)
    found = Ledger(runs_folder(tmp_path), "me").runs()  # as after a restart
    assert found == [replace(mine, id=number, name=f"run {number}", made=found[0].made)]
    assert found[0].made == pytest.approx(time.time(), abs=60)
    assert Ledger(runs_folder(tmp_path), "me").files(number) == FILES


def test_everybody_has_their_own(store: Path) -> None:
    number = Ledger(store, "me").add(run(0), FILES)
    assert Ledger(store, "you").runs() == []
    with pytest.raises(PlainError, match="no longer exists"):
        Ledger(store, "you").files(number)
    Ledger(store, "you").rename(number, "mine now")
    Ledger(store, "you").delete(number)
    Ledger(store, "you").close()
    assert [found.name for found in Ledger(store, "me").runs()] == ["run 0"]
    Ledger(store, "me").close()
    assert Ledger(store, "me").runs() == []


def test_on_this_machine_there_is_one_owner_and_elsewhere_a_hash_of_the_token() -> None:
    assert owner_of("127.0.0.1", "a") == owner_of("localhost", "b") == owner_of("::1", "c") == MACHINE
    for address in ("0.0.0.0", None, "192.168.1.5", "127.0.0.1.example.org"):
        assert owner_of(address, "a") != owner_of(address, "b")
        assert "a" * 32 not in owner_of(address, "a" * 32)


def test_a_run_is_named_by_its_number_and_what_changed_and_is_deleted_for_good(store: Path) -> None:
    mine = Ledger(store, "me")
    calm = replace(run().settings, dropout=0)
    others = ({}, {"settings": calm}, {"settings": calm, "class_names": ("x", "y", "z")})
    first, second, third = (mine.add(run(0, name="", **each), FILES) for each in others)
    assert [found.name for found in mine.runs()] == ["run 3", "run 2, dropout 0", "run 1"]
    mine.delete(third)
    for _ in range(2):  # a click that comes twice deletes it once
        mine.delete(first)
    assert [found.id for found in mine.runs()] == [second]
    assert [path.name for path in (store / "me").iterdir() if path.is_dir()] == [str(second)]
    with pytest.raises(PlainError, match="no longer exists"):
        mine.files(first)


def test_names_are_one_line_and_short_and_never_empty(store: Path) -> None:
    number = Ledger(store, "me").add(run(0), FILES)
    Ledger(store, "me").rename(number, "a\n\x1b[31mb\u202e c" + "x" * 200)
    (found,) = Ledger(store, "me").runs()
    assert (found.name[:9], len(found.name)) == ("a [31mb c", MOST_NAME)
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
    store: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, words: str
) -> None:
    monkeypatch.setattr(run_store, limit, most)
    files = FILES | {"prompts.safetensors": bytes(2 * 2**20)}
    for owner in ("me", "me", "you"):
        Ledger(store, owner).add(run(0), files)
    with pytest.raises(PlainError, match=words):
        Ledger(store, "me").add(run(0), files)
    assert [len(Ledger(store, owner).runs()) for owner in ("me", "you")] == [2, 1]


def test_a_damaged_run_and_one_of_a_newer_version_are_told_and_left_alone(store: Path) -> None:
    """And one whose head is not here."""
    mine = Ledger(store, "me")
    for _ in range(5):
        mine.add(run(0), FILES)
    facts = [store / "me" / str(number) / FACTS for number in range(1, 6)]
    whole = json.loads(facts[1].read_text())
    facts[0].write_text("{")
    facts[2].write_text(json.dumps(whole | {"format": FORMAT + 1}))
    facts[3].write_text(json.dumps(whole | {"settings": whole["settings"] | {"head": "logistic"}}))
    facts[4].unlink()
    left = [path.read_bytes() for path in facts[:4]]
    assert ([found.id for found in mine.runs()], "run 5, 4, 3, 1." in mine.note) == ([2], True)
    mine.rename(1, "other")
    assert (mine.add(run(0), FILES), [path.read_bytes() for path in facts[:4]]) == (6, left)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_its_owner_may_read_a_run(store: Path) -> None:
    Ledger(store, MACHINE).rename(Ledger(store, MACHINE).add(run(0), FILES), "other")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (store, *store.rglob("*"))}
    assert modes == {0o700, 0o600}


def test_what_a_program_has_written_of_a_run_when_it_is_killed_is_no_run_and_goes(store: Path) -> None:
    mine = Ledger(store, "me")
    first = mine.add(run(0), FILES)
    shutil.copytree(store / "me" / str(first), store / "me" / "draft of another")
    assert [found.id for found in mine.runs()] == [first]
    second = mine.add(run(0), FILES)
    assert {path.parent.name for path in store.rglob(FACTS)} == {str(first), str(second)}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    mine = Ledger(runs_folder(tmp_path / "file" / "deeper"), "me")
    with pytest.raises(OSError, match="Not a directory"):
        mine.runs()
    with pytest.raises(OSError, match="Not a directory"):
        mine.add(run(0), FILES)


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
    used = runs_folder(disk)
    number = Ledger(used, "me").add(run(0, name="first"), FILES)
    spoil(disk)
    for store in (used, runs_folder(disk)):
        mine = Ledger(store, "me")
        assert ([found.name for found in mine.runs()], mine.files(number)) == (["first"], FILES)
        assert Ledger(store, "you").runs() == []
        with pytest.raises(OSError, match=r"No space left|Read-only"):
            mine.add(run(0), FILES)
        Ledger(store, "you").close()  # an error would end the thread that closes sessions
    assert [path.name for path in (disk / "runs" / "me").iterdir() if path.is_dir()] == [str(number)]


def no_room(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_runs_are_saved_once_there_is_room(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Ledger(store, "me")
    mine.add(run(0, name="mine"), FILES)
    with monkeypatch.context() as full:
        full.setattr(run_store, "write_file", no_room)
        assert [found.name for found in mine.runs()] == ["mine"]
        with pytest.raises(OSError, match=r"No space left|Read-only"):
            mine.add(run(0), FILES)
    mine.add(run(0), FILES)
    assert len(mine.runs()) == 2


@pytest.mark.parametrize("time_", range(3))  # whoever comes second may meet a file that is half made
def test_several_threads_may_write_at_once(tmp_path: Path, time_: int) -> None:
    store, other = runs_folder(tmp_path), runs_folder(tmp_path)
    together = threading.Barrier(3)

    def write(here: Path) -> None:
        together.wait()
        for _ in range(5):
            Ledger(here, "me").add(run(0), FILES)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, (store, store, other)))
    assert len(Ledger(store, "me").runs()) == 15


def test_what_a_server_that_crashed_left_of_visitors_goes_and_the_machines_stays(tmp_path: Path) -> None:
    store, old = runs_folder(tmp_path), time.time() - 2 * run_store.ORPHANED
    owners = (MACHINE, VISITOR, owner_of(None, "new"), "not of this app")
    for owner, made in zip(owners, (old, old, time.time(), old), strict=True):
        Ledger(store, owner).add(run(0), FILES)
        os.utime(store / owner, (made, made))
    left = runs_folder(tmp_path)  # once the server has started again
    assert [len(Ledger(left, owner).runs()) for owner in owners] == [1, 0, 1, 1]


def test_the_folder_is_the_users_and_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GALLOP_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("GALLOP_DATA")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert data_folder() == tmp_path / "share" / "gallop"
