"""Runs in one SQLite file of the user's data folder: names, settings, curves, prompts and answers, never a photo.

Prompts are saved as the library writes a checkpoint: safetensors bytes and JSON, nothing pickled. A damaged file is
renamed, one of a newer version or of another program is left alone; none is ever overwritten. A file on a full disk or
one without write permission is opened read-only. Knows no Streamlit.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import peewee
from peewee import AutoField, BlobField, BooleanField, FloatField, IntegerField, Model, SqliteDatabase, TextField

from app.jobs import PlainError
from app.runs.run import Files, Run, before, change_in_words, files_of, of_taught, run_of_row, written
from app.teaching.training import Taught
from gallop.errors import GallopError, sentence_of
from gallop.runtime.hosts import LOCAL_NAMES
from gallop.runtime.writing import make_folder

FILE = "runs.sqlite"
# Written into the file's header: that it is this app's, and how its tables are laid out.
MARK, VERSION = 0x47616C50, 1
MACHINE = "this machine"


class RunsProblem(PlainError):
    """Runs that cannot be saved or read; the message says why and what to do."""


class CannotWrite(RunsProblem):
    """The file cannot be written; it may still be readable."""


def data_folder() -> Path:
    """Return ``$GALLOP_DATA``, or ``gallop`` in the user's data folder."""
    home = Path.home()
    if chosen := os.environ.get("GALLOP_DATA"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "gallop"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "gallop"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "gallop"


def owner_of(address: str | None, token: str) -> str:
    """Return the owner of runs: the machine, if only it reaches the app; else the visitor, by a hash of the token.

    Args:
        address: that the app listens on; None is every address of the machine.
    """
    return MACHINE if address in LOCAL_NAMES else hashlib.sha256(f"runs of {token}".encode()).hexdigest()


def set_aside_if_damaged(path: Path) -> str:
    """Rename a damaged file, so that nothing is lost; return what was done, as a sentence."""
    if not path.exists() or path.stat().st_size == 0 or not _damaged(path):
        return ""
    aside = path.with_name(f"runs damaged {time.strftime('%Y-%m-%d %H%M%S')}.sqlite")
    for ending in ("", "-wal", "-shm"):  # what was not yet written into the file moves with it
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{aside}{ending}")
    return f"The runs file was damaged. It was renamed to {aside.name} in {path.parent}, and a new one was started."


def _damaged(path: Path) -> bool:
    if path.open("rb").read(16) != b"SQLite format 3\0":
        return True
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError as error:  # locked or read-only: not damaged
        raise not_opened(path, error) from error
    except sqlite3.DatabaseError:
        return True


def not_opened(path: Path, error: Exception) -> RunsProblem:
    """Return the error for a file that SQLite cannot open for writing."""
    if "locked" in str(error):
        return RunsProblem(f"{path} is in use by another program ({error}), so no runs are saved or shown.")
    return CannotWrite(
        f"{path} cannot be written ({error}), so runs are not saved. Free some disk space, or set GALLOP_DATA to a "
        "different folder."
    )


def database_address(path: Path, *, reading_only: bool) -> str:
    """Return the file as a URI for SQLite.

    Args:
        reading_only: no journal is written either. A journal that the last writer has left is read as well; without
            one the file is opened as immutable, since SQLite would otherwise create a journal.
    """
    journal = path.with_name(f"{path.name}-wal")
    left = journal.exists() and journal.stat().st_size > 0
    return path.absolute().as_uri() + (("?mode=ro" if left else "?immutable=1") if reading_only else "")


def refuse_foreign(path: Path, *, reading_only: bool = False) -> None:
    """Raise RunsProblem for a file of a newer version or of another program."""
    try:
        with contextlib.closing(
            sqlite3.connect(database_address(path, reading_only=reading_only), uri=True)
        ) as connection:
            # Tables first: another program may be creating them, and its mark is there when they are.
            (tables,), (mark,), (version,) = (
                connection.execute(question).fetchone()
                for question in ("SELECT COUNT(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
            )
    except sqlite3.OperationalError as error:
        raise not_opened(path, error) from error
    if mark == MARK and version > VERSION:
        raise RunsProblem(
            f"{path} was written by a newer version of this app, so it is left unchanged and runs are not saved. "
            "Update the app, or set GALLOP_DATA to a different folder."
        )
    if mark != MARK and tables:
        raise RunsProblem(
            f"{path} was not written by this app, so it is left unchanged and runs are not saved. Set GALLOP_DATA to a "
            "different folder."
        )


T = TypeVar("T")

MOST_RUNS = 200
# Of one owner.
MOST_BYTES = 1024 * 2**20
MOST_NAME = 80
# Seconds to wait for another program that uses the file.
PATIENCE = 5
# Seconds after which a visitor's runs are deleted if a crashed server has left them.
ORPHANED = 24 * 3600.0


@contextlib.contextmanager
def _as_runs_problem(path: Path) -> Iterator[None]:
    try:
        yield
    except peewee.PeeweeException as error:
        kind = CannotWrite if isinstance(error, peewee.OperationalError) and "locked" not in str(error) else RunsProblem
        raise kind(
            f"The runs in {path} cannot be read or written ({error}). Check whether the disk is full or another "
            "program is using the file."
        ) from error


def _bound(database: SqliteDatabase) -> Any:

    class Row(Model):
        id = AutoField()
        owner = TextField(index=True)
        name = TextField()
        made = FloatField()
        size = IntegerField()
        deleted = BooleanField(default=False)  # it can be restored until the row is removed
        facts = TextField()
        checkpoint = TextField()
        prompts = BlobField()

        class Meta:
            table_name = "runs"

    Row.bind(database)
    return Row


def _prepare(database: SqliteDatabase, rows: Any) -> None:
    """Create tables and mark in one transaction, so that another program sees both or neither; remove old rows."""
    with database.connection_context(), database.atomic("IMMEDIATE"):
        database.pragma("application_id", MARK)
        database.pragma("user_version", VERSION)
        database.create_tables([rows])
        long_gone = (rows.owner != MACHINE) & (rows.made < time.time() - ORPHANED)
        rows.delete().where(rows.deleted | long_gone).execute()


def _patiently(act: Callable[[], None]) -> None:
    """Retry while the file is locked: SQLite itself does not wait for a file that another program is creating."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except peewee.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


class RunStore:
    """The file of all runs. Safe to use from several threads, each of which gets a separate connection.

    The file is opened at the first use, and at each further use as long as that fails. All methods may raise
    RunsProblem: the file cannot be used, belongs to another program, or was written by a newer version.

    Attributes:
        note: what was wrong when it was opened, as a sentence; empty when nothing was.
        only_read: why the runs that were read last could be read but not written, as a sentence; empty when they could.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.note = self.only_read = ""
        self._lock = threading.Lock()
        self.database: Any = None
        self._rows: Any = None

    def _open(self) -> None:
        folder = self.path.parent
        try:
            make_folder(folder)
            self.note = set_aside_if_damaged(self.path)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # class names are private
        except OSError as error:
            raise CannotWrite(
                f"{folder} cannot be written to ({error.strerror}), so runs are not saved. Set GALLOP_DATA to a "
                "different folder."
            ) from error
        refuse_foreign(self.path)
        database = SqliteDatabase(
            str(self.path), pragmas={"journal_mode": "wal", "busy_timeout": 1000 * PATIENCE, "secure_delete": 1}
        )
        rows = _bound(database)
        with _as_runs_problem(self.path):
            _patiently(lambda: _prepare(database, rows))
        self.database, self._rows = database, rows

    @contextlib.contextmanager
    def connected(self) -> Iterator[Any]:
        with self._lock:
            if self.database is None:
                self._open()
        with _as_runs_problem(self.path), self.database.connection_context():
            yield self._rows

    def read(self, ask: Callable[[Any], T]) -> T:
        """Return what ``ask`` reads from the table, read-only where the file cannot be written."""
        try:
            with self.connected() as rows:
                result = ask(rows)
            self.only_read = ""
        except CannotWrite as error:
            result = self._read_as_it_is(ask, error)
            self.only_read = f"{error} Runs saved earlier are still shown."
        return result

    def _read_as_it_is(self, ask: Callable[[Any], T], why: CannotWrite) -> T:
        """Read without writing anything; raise ``why`` where the file cannot be read either."""
        if not self.path.exists():
            raise why
        refuse_foreign(self.path, reading_only=True)
        database = SqliteDatabase(database_address(self.path, reading_only=True), uri=True)
        rows = _bound(database)
        try:
            with database.connection_context():
                return ask(rows)
        except peewee.PeeweeException:
            raise why from None


_log = logging.getLogger(__name__)


@dataclass
class Ledger:
    """The runs of one owner. All methods but ``save``, ``bring`` and ``close`` may raise RunsProblem, as ``RunStore``.

    Attributes:
        problem: why the last training is not among them, as a sentence; empty when it is.
    """

    store: RunStore
    owner: str
    problem: str = ""

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

        def ask(rows: Any) -> list[Any]:
            query = rows.select(rows.id, rows.name, rows.made, rows.facts)
            return list(query.where(rows.owner == self.owner, ~rows.deleted).order_by(rows.id.desc()))

        runs = []
        for row in self.store.read(ask):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # changed, or its head is gone
                runs.append(run_of_row(row))
        return runs

    def files(self, run_id: int) -> Files:
        """Return the checkpoint of a run.

        Raises:
            RunsProblem: there is no such run.
        """
        row = self.store.read(lambda rows: rows.get_or_none(self._mine(rows, run_id)))
        if row is None:
            raise RunsProblem("This run no longer exists. It may have been deleted in another tab or browser.")
        return Files(row.checkpoint, bytes(row.prompts))

    def add(self, run: Run, files: Files) -> int:
        """Save a run; return its number, which becomes part of its name if it has none.

        Raises:
            RunsProblem: there is no room for another.
        """
        facts = written(run)
        size = len(facts.encode()) + len(files.settings.encode()) + len(files.prompts)
        with self.store.connected() as rows, self.store.database.atomic("IMMEDIATE"):
            mine = rows.select(peewee.fn.COUNT(rows.id), peewee.fn.COALESCE(peewee.fn.SUM(rows.size), 0))
            count, total = mine.where(rows.owner == self.owner, ~rows.deleted).tuples().get()
            if count >= MOST_RUNS or total + size > MOST_BYTES:
                raise RunsProblem(
                    f"The last training was not saved as a run: your runs would exceed the limit of {MOST_RUNS} "
                    f"runs or {MOST_BYTES // 2**20} MB. Delete some runs on Compare."
                )
            row = rows.create(
                owner=self.owner,
                name=run.name,
                made=run.made,
                size=size,
                facts=facts,
                checkpoint=files.settings,
                prompts=files.prompts,
            )
            if not run.name:
                rows.update(name=f"{run.method} {row.id}").where(rows.id == row.id).execute()
            return int(row.id)

    def rename(self, run_id: int, name: str) -> None:
        """Rename a run; do nothing where the name is empty or the run is gone."""
        cleaned = " ".join("".join(char if char.isprintable() else " " for char in name).split())[:MOST_NAME]
        if cleaned:
            with self.store.connected() as rows:
                rows.update(name=cleaned).where(self._mine(rows, run_id)).execute()

    def delete(self, run_id: int) -> None:
        """Delete a run. It can be restored until the next one is deleted, or the app restarts."""
        with self.store.connected() as rows:
            # A second click on the same button deletes nothing, so the first deletion can still be undone.
            if rows.update(deleted=True).where(self._mine(rows, run_id)).execute():
                rows.delete().where(rows.owner == self.owner, rows.deleted, rows.id != run_id).execute()

    def undelete(self, run_id: int) -> None:
        """Restore a run; nothing happens where it is not the one that was deleted last."""
        with self.store.connected() as rows:
            rows.update(deleted=False).where(rows.owner == self.owner, rows.deleted, rows.id == run_id).execute()

    def close(self) -> None:
        """Delete the runs of a visitor who has left, since no one can reach them. It never fails."""
        if self.of_this_machine:
            return
        try:
            with self.store.connected() as rows:
                rows.delete().where(rows.owner == self.owner).execute()
        except RunsProblem as error:  # they are deleted later all the same, after ``ORPHANED``
            _log.warning("The runs of a visitor who has left could not be deleted: %s", error)

    def _mine(self, rows: Any, run_id: int) -> Any:
        return (rows.id == run_id) & (rows.owner == self.owner) & ~rows.deleted
