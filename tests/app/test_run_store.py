"""The file of runs: what is in it, whose it is, and what happens when it cannot be used."""

from __future__ import annotations

import contextlib
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
from app.runs.run import Files
from app.runs.store import (
    FILE,
    MACHINE,
    VERSION,
    Ledger,
    RunsProblem,
    RunStore,
    data_folder,
    not_opened,
    owner_of,
)
from tests.app.test_runs import run
from tests.conftest import ROOT

FILES = Files('{"format": 1}', b"prompts")
NOW = {"made": time.time()}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    mine = run(0, **NOW, name="")
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


def test_a_deleted_run_comes_back_until_the_next_one_goes(store: RunStore, tmp_path: Path) -> None:
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
    again = RunStore(tmp_path)
    Ledger(again, "me").undelete(second)
    assert Ledger(again, "me").runs() == []
    assert b"second" not in (tmp_path / FILE).read_bytes()  # overwritten, not only unlinked


def test_names_are_one_line_and_short_and_never_empty(store: RunStore) -> None:
    number = Ledger(store, "me").add(run(0, **NOW), FILES)
    Ledger(store, "me").rename(number, "a\n\x1b[31mb\u202e c" + "x" * 200)
    (found,) = Ledger(store, "me").runs()
    assert (found.name[:9], len(found.name)) == ("a [31mb c", run_store.MOST_NAME)
    Ledger(store, "me").rename(number, " \n ")
    assert Ledger(store, "me").runs() == [found]
    Ledger(store, "me").rename(number, "'; DROP TABLE runs; --")
    assert Ledger(store, "me").runs()[0].name == "'; DROP TABLE runs; --"


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


@pytest.mark.parametrize("damage", ["not a database at all" * 50, "half"])
def test_a_damaged_file_is_set_aside_and_nothing_of_it_is_lost(tmp_path: Path, damage: str) -> None:
    first = RunStore(tmp_path)
    for _ in range(30):
        Ledger(first, "me").add(run(0, **NOW), Files("{}", bytes(4096)))
    path = tmp_path / FILE
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    broken = damage.encode() if damage != "half" else path.read_bytes()[:20_000] + b"\xff" * 40_000
    path.write_bytes(broken)
    store = RunStore(tmp_path)
    assert Ledger(store, "me").runs() == []
    aside = list(tmp_path.glob("runs damaged *.sqlite"))
    assert ([found.read_bytes() for found in aside], aside[0].name in store.note) == ([broken], True)
    Ledger(store, "me").add(run(0, **NOW), FILES)
    assert len(Ledger(store, "me").runs()) == 1


def test_a_newer_file_and_a_strangers_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / FILE
    Ledger(RunStore(tmp_path), "me").add(run(0, **NOW), FILES)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before, store = path.read_bytes(), RunStore(tmp_path)
    with pytest.raises(RunsProblem, match="written by a newer version"):
        Ledger(store, "me").add(run(0, **NOW), FILES)
    with monkeypatch.context() as full:  # it is judged where it cannot be written too
        full.setattr(run_store, "set_aside_if_damaged", cannot_write)
        with pytest.raises(RunsProblem, match="written by a newer version"):
            Ledger(RunStore(tmp_path), "me").runs()
    assert path.read_bytes() == before
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    assert len(Ledger(store, "me").runs()) == 1, "it is tried again"

    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(other / FILE) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    with pytest.raises(RunsProblem, match="not written by this app"):
        Ledger(RunStore(other), "me").runs()


def test_a_row_that_somebody_changed_is_left_out(store: RunStore, tmp_path: Path) -> None:
    """And one whose head is not here."""
    for _ in range(3):
        Ledger(store, "me").add(run(0, **NOW), FILES)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE runs SET facts = '{\"settings\": 3}' WHERE id = 1")
        connection.execute("UPDATE runs SET facts = json_set(facts, '$.settings.head', 'logistic') WHERE id = 3")
    assert [found.id for found in Ledger(store, "me").runs()] == [2]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    Ledger(RunStore(tmp_path), "me").runs()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


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


CRASH = """
import os, sys
from pathlib import Path
from app.runs.store import Ledger, RunStore
from tests.app.test_run_store import FILES, NOW, run
store = RunStore(Path(sys.argv[1]))
Ledger(store, "me").runs()
with store.database.connection_context():
    Ledger(store, "me").add(run(0, **NOW, name="second"), FILES)
    os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [fill, forbid])
@pytest.mark.parametrize("crashed", [False, True])
def test_runs_are_read_where_nothing_can_be_written(disk: Path, spoil: Callable[[Path], None], crashed: bool) -> None:
    used, names = RunStore(disk), ["first"]
    number = Ledger(used, "me").add(run(0, **NOW, name="first"), FILES)
    if crashed:  # what it has written is in SQLite's journal alone
        subprocess.run([sys.executable, "-c", CRASH, str(disk)], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert (disk / f"{FILE}-wal").stat().st_size > 0
        names = ["second", "first"]
    spoil(disk)
    for store in (used, RunStore(disk)):
        assert ([found.name for found in Ledger(store, "me").runs()], Ledger(store, "me").files(number)) == (
            names,
            FILES,
        )
        assert Ledger(store, "you").runs() == []
        if spoil is forbid:
            with pytest.raises(RunsProblem, match=r"cannot be (read or )?written"):
                Ledger(store, "me").rename(number, "other")


def cannot_write(path: Path) -> str:
    raise not_opened(path, OSError("unable to open database file"))


def test_a_visitor_leaves_though_nothing_can_be_written_and_runs_are_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Ledger(RunStore(tmp_path), "me").add(run(0, **NOW, name="mine"), FILES)
    store = RunStore(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(run_store, "set_aside_if_damaged", cannot_write)
        assert [found.name for found in Ledger(store, "me").runs()] == ["mine"]
        with pytest.raises(RunsProblem, match="cannot be written"):
            Ledger(store, "me").add(run(0, **NOW), FILES)
        Ledger(store, "visitor").close()  # an error would end the thread that closes sessions
        assert "cannot be written" in caplog.text
        assert store.only_read
    Ledger(store, "me").add(run(0, **NOW), FILES)
    assert (len(Ledger(store, "me").runs()), store.only_read) == (2, "")


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
    for owner, made in ((MACHINE, old), ("visitor", old), ("new visitor", time.time())):
        Ledger(store, owner).add(run(0, made=made), FILES)
    left = RunStore(tmp_path)  # once the server has started again
    assert [len(Ledger(left, owner).runs()) for owner in (MACHINE, "visitor", "new visitor")] == [1, 0, 1]


def test_the_folder_is_the_users_and_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GALLOP_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("GALLOP_DATA")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert data_folder() == tmp_path / "share" / "gallop"
