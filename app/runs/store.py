"""Runs in the user's data folder, one folder each: names, settings, curves, prompts and answers, never a photo.

A run is the folder ``runs/OWNER/NUMBER`` with ``run.json`` and the checkpoint as the library writes it: safetensors and
JSON, nothing pickled. It is written as a draft, whose folder is then renamed, so that none is ever seen half written. A
run that is damaged or of a newer version is left out of the list, and unchanged. Knows no Streamlit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.jobs import PlainError
from app.runs.run import (
    Files,
    Run,
    before,
    change_in_words,
    files_of,
    of_taught,
    read_files,
    run_of_facts,
    written,
)
from app.teaching.training import Taught
from gallop.data.project import is_digest
from gallop.errors import GallopError, sentence_of
from gallop.runtime.hosts import LOCAL_NAMES
from gallop.runtime.reading import parse_json, read_text
from gallop.runtime.writing import locked, make_folder, write_file
from gallop.wording import listed

FACTS = "run.json"
FORMAT = 1
# Where older versions saved all runs.
OLD_FILE = "runs.sqlite"
MACHINE = "this machine"

MOST_RUNS = 200
# Of one owner.
MOST_BYTES = 1024 * 2**20
MOST_NAME = 80
# Seconds after which a visitor's runs are deleted if a crashed server has left them.
ORPHANED = 24 * 3600.0

_DRAFT, _DELETED, _LOCK = "draft ", ".deleted", "lock"
# What is raised for a run that something else has changed, or whose head is not here.
_DAMAGED = (ValueError, KeyError, TypeError, AttributeError)


class RunsProblem(PlainError):
    """Runs that cannot be saved or read; the message says why and what to do."""


def data_folder() -> Path:
    """Return ``$GALLOP_DATA``, or ``gallop`` in the user's data folder."""
    home = Path.home()
    usual = {
        "win32": Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"),
        "darwin": home / "Library" / "Application Support",
    }.get(sys.platform) or Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return Path(os.environ.get("GALLOP_DATA") or usual / "gallop")


def owner_of(address: str | None, token: str) -> str:
    """Return the owner of runs: the machine, if only it reaches the app; else the visitor, by a hash of the token.

    Args:
        address: that the app listens on; None is every address of the machine.
    """
    return MACHINE if address in LOCAL_NAMES else hashlib.sha256(f"runs of {token}".encode()).hexdigest()


@contextlib.contextmanager
def _as_runs_problem(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunsProblem(
            f"The runs in {path} cannot be {done} ({error.strerror or error}). Check the permissions of this folder "
            "and the free disk space, or set GALLOP_DATA to a different folder."
        ) from error


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read: class names are private."""
    write_file(path, content)
    path.chmod(0o600)


class RunStore:
    """The folder of all runs. Safe to use from several threads and programs.

    Attributes:
        path: the folder, which is made at the first use.
        note: what was wrong with the runs of an older version, as a sentence; empty when nothing was.
        only_read: why the runs that were read last could be read but not written, as a sentence; empty when they could.
        last: the highest number that a run of each owner has had: none is given twice, since sessions remember answers
            by it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "runs"
        self.note = self.only_read = ""
        self.last: dict[str, int] = {}
        self._opened = False

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder where it is missing, and let the block write into it.

        Raises:
            RunsProblem: the disk is full, or the folder cannot be written.
        """
        with _as_runs_problem(self.path, "written"):
            make_folder(self.path.parent)
            self.path.mkdir(0o700, exist_ok=True)
            if not self._opened:
                self._opened = True
                # What no one can reach: runs of visitors whose server crashed, and those deleted before a restart.
                for folder in self.path.iterdir():
                    if is_digest(folder.name) and folder.stat().st_mtime < time.time() - ORPHANED:
                        shutil.rmtree(folder, ignore_errors=True)
                for deleted in (self.path / MACHINE).glob(f"*{_DELETED}"):
                    shutil.rmtree(deleted, ignore_errors=True)
                if (old := self.path.with_name(OLD_FILE)).exists():
                    self.note = taken_over(old, Ledger(self, MACHINE))
            yield

    def probe(self) -> None:
        """Find out whether runs can be written. Raises RunsProblem where they can neither be written nor read."""
        try:
            with self.writing(), tempfile.TemporaryFile(dir=self.path) as file:
                file.write(b"A full disk has room for a file without content.")
            self.only_read = ""
        except RunsProblem as error:
            if not os.path.isdir(self.path):
                raise
            self.only_read = f"{error} Runs saved earlier are still shown."


@dataclass
class Ledger:
    """The runs of one owner. All methods but ``save``, ``bring`` and ``close`` may raise RunsProblem.

    Attributes:
        problem: why the last training is not among them, as a sentence; empty when it is.
        note: which were left out when they were read last, as a sentence; empty when none were.
    """

    store: RunStore
    owner: str
    problem: str = ""
    note: str = ""

    @property
    def of_this_machine(self) -> bool:
        """Whether all who open the app share these runs."""
        return self.owner == MACHINE

    def save(self, taught: Taught, name: str = "") -> None:
        """Save a training as a run, named by what changed against the previous one unless it has a name.

        It never fails: a training that cannot be saved can still be used.
        """

        def made() -> tuple[Run, Files]:
            run = of_taught(taught, name, time.time())
            last = None if name else before(run, self.runs())
            return (run if last is None else replace(run, name=change_in_words(run, last))), files_of(taught.after)

        self._add(made)

    def bring(self, run: Run, files: Files) -> None:
        """Save a run that was trained elsewhere, with the current time. It never fails, as ``save``."""
        self._add(lambda: (replace(run, made=time.time()), files))

    def _add(self, make: Callable[[], tuple[Run, Files]]) -> None:
        self.problem = ""
        try:
            self.add(*make())
        except (GallopError, OSError) as error:
            self.problem = sentence_of(error) or ""

    def runs(self) -> list[Run]:
        """Return the runs, the newest first."""
        self.store.probe()
        runs, left_out = [], []
        for number in sorted(map(int, filter(str.isdecimal, self._names())), reverse=True):
            try:
                facts = self._facts(number)
                runs.append(run_of_facts(facts, number, facts["name"], facts["made"]))
            except (OSError, *_DAMAGED):
                if self._at(number).exists():  # else it was deleted just now
                    left_out.append(str(number))
        self.note = (
            f"Not shown, and left in {self._at()}: run {listed(left_out)}. Each is damaged, or was saved by a newer "
            "version of this app."
            if left_out
            else ""
        )
        return runs

    def files(self, run_id: int) -> Files:
        """Return the checkpoint of a run.

        Raises:
            RunsProblem: there is no such run, or it is damaged.
        """
        try:
            return read_files(self._at(run_id))
        except FileNotFoundError:
            why = "This run no longer exists. It may have been deleted in another tab or browser."
        except (OSError, ValueError) as error:
            why = f"The files in {self._at(run_id)} cannot be read ({error})."
        raise RunsProblem(why)

    def add(self, run: Run, files: Files) -> int:
        """Save a run; return its number, which becomes part of its name if it has none.

        Raises:
            RunsProblem: there is no room for another.
        """
        with self._writing():
            for killed in self._at().glob(f"{_DRAFT}*"):  # by a program that was killed: who writes has the lock
                shutil.rmtree(killed)
            names = self._names()
            there = [self._at(name) for name in names if name.isdecimal()]
            numbers = [int(name.partition(".")[0]) for name in names if name.partition(".")[0].isdecimal()]
            number = 1 + max([self.store.last.get(self.owner, 0), *numbers])
            facts = json.loads(written(run)) | {
                "format": FORMAT,
                "name": run.name or f"{run.method} {number}",
                "made": run.made,
            }
            contents = {FACTS: json.dumps(facts).encode()} | files.as_folder(folder=".")
            size = sum(file.stat().st_size for folder in there for file in folder.iterdir())
            if len(there) >= MOST_RUNS or size + sum(map(len, contents.values())) > MOST_BYTES:
                raise RunsProblem(
                    f"The last training was not saved as a run: your runs would exceed the limit of {MOST_RUNS} "
                    f"runs or {MOST_BYTES // 2**20} MB. Delete some runs on Compare."
                )
            with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=self._at()) as draft:
                for name, content in contents.items():
                    _write(Path(draft, name), content)
                os.rename(draft, self._at(number))  # refused where another program has just taken the number
            self.store.last[self.owner] = number
            return number

    def rename(self, run_id: int, name: str) -> None:
        """Rename a run; do nothing where the name is empty or the run is gone."""
        cleaned = " ".join("".join(char if char.isprintable() else " " for char in name).split())[:MOST_NAME]
        if cleaned:
            with self._writing(), contextlib.suppress(FileNotFoundError, *_DAMAGED):
                facts = self._facts(run_id) | {"name": cleaned}
                _write(self._at(run_id) / FACTS, json.dumps(facts).encode())

    def delete(self, run_id: int) -> None:
        """Delete a run. It can be restored until the next one is deleted, or the app restarts."""
        with self._writing(), contextlib.suppress(FileNotFoundError):  # a second click on the same button
            gone = self._at(f"{run_id}{_DELETED}")
            os.rename(self._at(run_id), gone)
            for deleted in self._at().glob(f"*{_DELETED}"):
                if deleted != gone:
                    shutil.rmtree(deleted)

    def undelete(self, run_id: int) -> None:
        """Restore a run; nothing happens where it is not the one that was deleted last."""
        with self._writing(), contextlib.suppress(FileNotFoundError):
            os.rename(self._at(f"{run_id}{_DELETED}"), self._at(run_id))

    def close(self) -> None:
        """Delete the runs of a visitor who has left, since no one can reach them. It never fails."""
        if not self.of_this_machine:
            shutil.rmtree(self._at(), ignore_errors=True)  # what cannot be deleted now is later, after ``ORPHANED``

    def _at(self, name: object = "") -> Path:
        return self.store.path / self.owner / str(name)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """As the store's, while no other thread or program writes runs of this owner."""
        with self.store.writing():
            self._at().mkdir(0o700, exist_ok=True)
            with locked(self._at(_LOCK)):
                yield

    def _names(self) -> list[str]:
        with _as_runs_problem(self._at(), "read"), contextlib.suppress(FileNotFoundError):
            return os.listdir(self._at())
        return []

    def _facts(self, number: int) -> dict[str, Any]:
        """Return what is written of a run. Raises OSError, or one of ``_DAMAGED``, also for a newer version's."""
        facts: dict[str, Any] = parse_json(read_text(self._at(number) / FACTS, MOST_BYTES))
        if facts["format"] > FORMAT:
            raise ValueError("a newer version of this app saved it")
        return facts


def taken_over(old: Path, ledger: Ledger) -> str:
    """Save the runs again that an older version saved in one SQLite file, once, and rename the file.

    Those of visitors, who are gone, and those that were deleted are deleted from it.

    Returns:
        Why not all were saved, as a sentence, and the file is where it was; empty where there is nothing to say.
    """
    try:
        with locked(ledger.store.path / _LOCK):
            if not old.exists():  # another program has just taken them over
                return ""
            with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as database:
                if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    raise sqlite3.DatabaseError("the file is damaged.")
                there = {run.made for run in ledger.runs()}  # a program that was killed may have begun
                kept = "SELECT name, made, facts, checkpoint, prompts FROM runs WHERE owner = ? AND NOT deleted"
                for name, made, facts, settings, prompts in database.execute(f"{kept} ORDER BY id", (MACHINE,)):
                    with contextlib.suppress(*_DAMAGED):  # it was not shown before either
                        if made not in there:
                            ledger.add(run_of_facts(parse_json(facts), 0, name, made), Files(settings, prompts))
                database.execute("PRAGMA secure_delete = 1")
                database.execute("DELETE FROM runs WHERE owner != ? OR deleted", (MACHINE,))
                database.execute("PRAGMA journal_mode = DELETE")  # what is in its journal goes into the file
            os.replace(old, old.with_name(f"runs taken over {time.strftime('%Y-%m-%d %H%M%S')}.sqlite"))
    except (OSError, sqlite3.Error, GallopError) as error:
        why = sentence_of(error) or str(error)
        return f"Runs that an older version saved in {old} are still there and not all shown here: {why}"
    return ""
