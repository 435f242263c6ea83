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
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.jobs import PlainError
from app.runs.run import Files, Run, before, change_in_words, files_of, of_taught, read_files, run_of_facts, written
from app.teaching.training import Taught
from gallop.data.project import is_digest
from gallop.errors import GallopError, sentence_of
from gallop.runtime.hosts import LOCAL_NAMES
from gallop.runtime.reading import parse_json, read_text
from gallop.runtime.writing import locked, make_folder, write_file
from gallop.wording import listed

FACTS = "run.json"
FORMAT = 1
MACHINE = "this machine"

MOST_RUNS = 200
# Of one owner.
MOST_BYTES = 1024 * 2**20
MOST_NAME = 80
# Seconds after which a visitor's runs are deleted if a crashed server has left them.
ORPHANED = 24 * 3600.0

_DRAFT, _LOCK = "draft ", "lock"
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


def runs_folder(data: Path) -> Path:
    """Return the folder of all runs in a data folder, without those of visitors whose server crashed."""
    path = data / "runs"
    with contextlib.suppress(OSError):
        for owner in path.iterdir():
            if is_digest(owner.name) and owner.stat().st_mtime < time.time() - ORPHANED:
                shutil.rmtree(owner, ignore_errors=True)
    return path


def owner_of(address: str | None, token: str) -> str:
    """Return the owner of runs: the machine, if only it reaches the app; else the visitor, by a hash of the token.

    Args:
        address: that the app listens on; None is every address of the machine.
    """
    return MACHINE if address in LOCAL_NAMES else hashlib.sha256(f"runs of {token}".encode()).hexdigest()


@dataclass
class Ledger:
    """The runs of one owner, in a folder that is made at the first one. Safe to use from several threads and programs.

    All methods but ``save``, ``bring`` and ``close`` may raise RunsProblem: the disk is full, or the folder cannot be
    read or written.

    Attributes:
        folder: of the runs of all owners.
        problem: why the last training is not among them, as a sentence; empty when it is.
        note: which were left out when they were read last, as a sentence; empty when none were.
    """

    folder: Path
    owner: str
    problem: str = ""
    note: str = ""

    @property
    def of_this_machine(self) -> bool:
        """Whether all who open the app share these runs."""
        return self.owner == MACHINE

    def save(self, taught: Taught, name: str = "") -> None:
        """Save a training as a run, named by its number and what changed unless it has a name.

        It never fails: a training that cannot be saved can still be used.
        """
        with self._told():
            run = of_taught(taught, name, time.time())
            last = None if name else before(run, self.runs())
            self.add(run, files_of(taught.after), "" if last is None else change_in_words(run, last))

    def bring(self, run: Run, files: Files) -> None:
        """Save a run that was trained elsewhere, with the current time. It never fails, as ``save``."""
        with self._told():
            self.add(replace(run, made=time.time()), files)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        self.problem = ""
        try:
            yield
        except (GallopError, OSError) as error:
            self.problem = sentence_of(error) or ""

    def runs(self) -> list[Run]:
        """Return the runs, the newest first."""
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

    def add(self, run: Run, files: Files, change: str = "") -> int:
        """Save a run; return its number.

        Args:
            change: what distinguishes a run without a name from the one before it, for its name.

        Raises:
            RunsProblem: there is no room for another.
        """
        with self._writing():
            for killed in self._at().glob(f"{_DRAFT}*"):  # by a program that was killed: who writes has the lock
                shutil.rmtree(killed)
            numbers = [int(name) for name in self._names() if name.isdecimal()]
            number = 1 + max([0, *numbers])
            name = run.name or f"run {number}{change and ', '}{change}"
            facts = json.loads(written(run)) | {"format": FORMAT, "name": name, "made": run.made}
            contents = {FACTS: json.dumps(facts).encode()} | files.as_folder(folder=".")
            size = sum(file.stat().st_size for each in numbers for file in self._at(each).iterdir())
            if len(numbers) >= MOST_RUNS or size + sum(map(len, contents.values())) > MOST_BYTES:
                raise RunsProblem(
                    f"The last training was not saved as a run: your runs would exceed the limit of {MOST_RUNS} "
                    f"runs or {MOST_BYTES // 2**20} MB. Delete some on the page Test."
                )
            with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=self._at()) as draft:
                for file, content in contents.items():
                    self._write(Path(draft, file), content)
                os.rename(draft, self._at(number))  # refused where another program has just taken the number
            return number

    def rename(self, run_id: int, name: str) -> None:
        """Rename a run; do nothing where the name is empty or the run is gone."""
        cleaned = " ".join("".join(char if char.isprintable() else " " for char in name).split())[:MOST_NAME]
        if cleaned:
            with self._writing(), contextlib.suppress(FileNotFoundError, *_DAMAGED):
                facts = self._facts(run_id) | {"name": cleaned}
                self._write(self._at(run_id) / FACTS, json.dumps(facts).encode())

    def delete(self, run_id: int) -> None:
        """Delete a run; do nothing where it is gone."""
        with self._writing(), contextlib.suppress(FileNotFoundError):  # a second click on the same button
            gone = self._at(f"{_DRAFT}{run_id}")  # no run any more, even where the program is killed now
            os.rename(self._at(run_id), gone)
            shutil.rmtree(gone)

    def close(self) -> None:
        """Delete the runs of a visitor who has left, since no one can reach them. It never fails."""
        if not self.of_this_machine:
            shutil.rmtree(self._at(), ignore_errors=True)  # what cannot be deleted now is later, after ``ORPHANED``

    def _at(self, name: object = "") -> Path:
        return self.folder / self.owner / str(name)

    @contextlib.contextmanager
    def _problems(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunsProblem(
                f"The runs in {self._at()} cannot be {done} ({error.strerror or error}). Check the permissions of this "
                "folder and the free disk space, or set GALLOP_DATA to a different folder."
            ) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Make the folders where they are missing; no other thread or program writes runs of this owner meanwhile."""
        with self._problems("written"):
            make_folder(self.folder.parent)
            for folder in (self.folder, self._at()):
                folder.mkdir(0o700, exist_ok=True)
            with locked(self._at(_LOCK)):
                yield

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file that only its owner may read: class names are private."""
        write_file(path, content)
        path.chmod(0o600)

    def _names(self) -> list[str]:
        with self._problems("read"), contextlib.suppress(FileNotFoundError):
            return os.listdir(self._at())
        return []

    def _facts(self, number: int) -> dict[str, Any]:
        """Return what is written of a run. Raises OSError, or one of ``_DAMAGED``, also for a newer version's."""
        facts: dict[str, Any] = parse_json(read_text(self._at(number) / FACTS, MOST_BYTES))
        if facts["format"] > FORMAT:
            raise ValueError("a newer version of this app saved it")
        return facts
