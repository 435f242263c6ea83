"""Runs in the user's data folder, one folder each: names, settings, curves, prompts and answers, never a photo.

A run is the folder ``runs/OWNER/NUMBER`` with ``run.json`` and the checkpoint as the library writes it: safetensors and
JSON, nothing pickled. It is written as a draft, whose folder is then renamed, so that none is ever seen half written. A
run that is damaged or of a newer version is left out of the list, and unchanged. Knows no Streamlit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.jobs import PlainError
from app.runs.run import (
    FACTS,
    FORMAT,
    Run,
    before,
    change_in_words,
    files_of,
    of_taught,
    plain_name,
    read_files,
    read_run,
    written,
)
from app.teaching.training import Taught
from gallop.data.project_file import MOST_RUNS, RUN_FILES, is_digest
from gallop.errors import GallopError, sentence_of
from gallop.runtime.hosts import LOCAL_NAMES
from gallop.runtime.reading import read_bytes
from gallop.runtime.writing import locked, make_folder, write_file
from gallop.wording import listed

MACHINE = "this machine"
# Of one owner.
MOST_BYTES = 1024 * 2**20
# Seconds after which a visitor's runs are deleted if a crashed server has left them.
ORPHANED = 24 * 3600.0
_DRAFT = "draft "


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

    All methods but ``save`` and ``close`` may raise OSError: the disk is full, or the folder cannot be read or written.

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

    def save(self, taught: Taught, name: str = "", project: str = "") -> None:
        """Save a training as a run. It never fails: a training that cannot be saved can still be used."""
        self.problem = ""
        try:
            self.add(of_taught(taught, name=name, project=project), files_of(taught.after))
        except (GallopError, OSError) as error:
            self.problem = sentence_of(error) or ""

    def runs(self) -> list[Run]:
        """Return the runs, the newest first."""
        runs, left_out = [], []
        for number in sorted(self._numbers(), reverse=True):
            try:
                runs.append(self._run(number))
            except (OSError, GallopError):
                if self._at(number).exists():  # else it was deleted just now
                    left_out.append(str(number))
        self.note = (
            f"Not shown, and left in {self._at()}: run {listed(left_out)}. Each is damaged, or was saved by a newer "
            "version of this app."
            if left_out
            else ""
        )
        return runs

    def files(self, run_id: int) -> dict[str, bytes]:
        """Return the checkpoint of a run. Raises PlainError where it is gone."""
        if not self._at(run_id).exists():
            raise PlainError("This run no longer exists. It may have been deleted in another tab or browser.")
        return read_files(self._at(run_id))

    def add(self, run: Run, files: Mapping[str, bytes]) -> int:
        """Save a run as made now; return its number.

        Without a name it is named by its number, and by what distinguishes it from the one before with its classes.

        Raises:
            PlainError: there is no room for another.
        """
        with self._writing():
            for killed in self._at().glob(f"{_DRAFT}*"):  # by a program that was killed: who writes has the lock
                shutil.rmtree(killed)
            numbers = self._numbers()
            number = 1 + max([0, *numbers])
            last = None if run.name else before(run, self.runs())
            change = change_in_words(run, last) if last else ""
            name = plain_name(run.name or f"run {number}{change and ', '}{change}")
            contents = {**files, FACTS: _facts(replace(run, name=name, made=time.time()))}
            size = sum(file.stat().st_size for each in numbers for file in self._at(each).iterdir())
            if len(numbers) >= MOST_RUNS or size + sum(map(len, contents.values())) > MOST_BYTES:
                raise PlainError(
                    f"The last training was not saved as a run: your runs would exceed the limit of {MOST_RUNS} "
                    f"runs or {MOST_BYTES // 2**20} MB. Delete some on the page Test."
                )
            with tempfile.TemporaryDirectory(prefix=_DRAFT, dir=self._at()) as draft:
                for file, content in contents.items():
                    _write(Path(draft, file), content)
                os.rename(draft, self._at(number))  # refused where another program has just taken the number
            return number

    def rename(self, run_id: int, name: str) -> None:
        """Rename a run; do nothing where the name is empty, or the run is gone or damaged."""
        if cleaned := plain_name(name):
            with self._writing(), contextlib.suppress(FileNotFoundError, GallopError):
                _write(self._at(run_id) / FACTS, _facts(replace(self._run(run_id), name=cleaned)))

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
    def _writing(self) -> Iterator[None]:
        """Make the folders where they are missing; no other thread or program writes runs of this owner meanwhile."""
        make_folder(self.folder.parent)
        for folder in (self.folder, self._at()):
            folder.mkdir(0o700, exist_ok=True)
        with locked(self._at("lock")):
            yield

    def _run(self, number: int) -> Run:
        """Return a run. Raises OSError, and DataError where it is damaged or of a newer version."""
        folder = self._at(number)
        return replace(read_run(read_bytes(folder / FACTS, RUN_FILES[FACTS]), str(folder)), id=number)

    def _numbers(self) -> list[int]:
        with contextlib.suppress(FileNotFoundError):
            return [int(name) for name in os.listdir(self._at()) if name.isdecimal()]
        return []


def _facts(run: Run) -> bytes:
    return written(run, format=FORMAT, name=run.name, made=run.made, project=run.project)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read: class names are private."""
    write_file(path, content)
    path.chmod(0o600)
