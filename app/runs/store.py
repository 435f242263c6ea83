"""Runs in one SQLite file of the user's data folder: names, settings, curves, prompts and answers, never a photo.

Prompts are kept as the library writes a checkpoint: safetensors bytes and JSON, nothing pickled. Knows no Streamlit.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import peewee
from peewee import AutoField, BlobField, BooleanField, FloatField, IntegerField, Model, SqliteDatabase, TextField

from app.runs.data_file import (
    FILE,
    MACHINE,
    MARK,
    VERSION,
    CannotWrite,
    RunsProblem,
    database_address,
    refuse_foreign,
    set_aside_if_damaged,
)
from app.runs.facts import run_of_row, written
from app.runs.model_zip import Files
from app.runs.run import Run
from gallop.runtime.writing import make_folder

T = TypeVar("T")

MOST_RUNS = 200
MOST_BYTES = 1024 * 2**20
"""Of one owner."""
MOST_NAME = 80
PATIENCE = 5
"""Seconds to wait for another program that uses the file."""
ORPHANED = 24 * 3600.0
"""Seconds after which runs of a visitor are deleted if a server that crashed has left them."""


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What SQLite complains about, as a sentence."""
    try:
        yield
    except peewee.PeeweeException as error:
        kind = CannotWrite if isinstance(error, peewee.OperationalError) and "locked" not in str(error) else RunsProblem
        raise kind(
            f"The runs in {path} cannot be read or written ({error}). Is the disk full, or another program using the "
            "file?"
        ) from error


def _bound(database: SqliteDatabase) -> Any:
    """The table of runs in one file."""

    class Row(Model):
        id = AutoField()
        owner = TextField(index=True)
        name = TextField()
        made = FloatField()
        size = IntegerField()
        deleted = BooleanField(default=False)  # until it is gone for good, it can be brought back
        facts = TextField()
        checkpoint = TextField()
        prompts = BlobField()

        class Meta:
            table_name = "runs"

    Row.bind(database)
    return Row


def _prepare(database: SqliteDatabase, rows: Any) -> None:
    """Tables and mark, at once: another program that opens the file meanwhile finds both or neither. And a clearing."""
    with database.connection_context(), database.atomic("IMMEDIATE"):
        database.pragma("application_id", MARK)
        database.pragma("user_version", VERSION)
        database.create_tables([rows])
        long_gone = (rows.owner != MACHINE) & (rows.made < time.time() - ORPHANED)
        rows.delete().where(rows.deleted | long_gone).execute()


def _patiently(act: Callable[[], None]) -> None:
    """Again while the file is locked: for a file that another program just begins, SQLite itself does not wait."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except peewee.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


class RunStore:
    """The runs of all owners. Safe to use from several threads, each of which gets a connection of its own.

    The file is opened with the first use, and again with each one as long as that fails. All methods may raise
    RunsProblem: the file cannot be used, belongs to something else, or was written by a newer version.

    Attributes:
        note: what was found when it was opened, as a sentence; empty when all was well.
        only_read: why the runs that were read last could be read but not written, as a sentence; empty when they could.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.note = self.only_read = ""
        self._lock = threading.Lock()
        self._database: Any = None
        self._rows: Any = None

    def _open(self) -> None:
        folder = self.path.parent
        try:
            make_folder(folder)
            self.note = set_aside_if_damaged(self.path)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))  # class names are nobody else's business
        except OSError as error:
            raise CannotWrite(
                f"{folder} cannot be written ({error.strerror}), so no runs are kept. GALLOP_DATA may name another "
                "folder."
            ) from error
        refuse_foreign(self.path)
        database = SqliteDatabase(
            str(self.path), pragmas={"journal_mode": "wal", "busy_timeout": 1000 * PATIENCE, "secure_delete": 1}
        )
        rows = _bound(database)
        with _told(self.path):
            _patiently(lambda: _prepare(database, rows))
        self._database, self._rows = database, rows

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """The table, and a connection to it."""
        with self._lock:
            if self._database is None:
                self._open()
        with _told(self.path), self._database.connection_context():
            yield self._rows

    # Reading ---------------------------------------------------------------------------------------------------------

    def _read(self, ask: Callable[[Any], T]) -> T:
        """What ``ask`` finds in the table; where the file cannot be written, in the file as it is."""
        try:
            with self._connected() as rows:
                found = ask(rows)
            self.only_read = ""
        except CannotWrite as error:
            found = self._read_as_it_is(ask, error)
            self.only_read = f"{error} Those that were kept before are shown."
        return found

    def _read_as_it_is(self, ask: Callable[[Any], T], why: CannotWrite) -> T:
        """Raises ``why`` where the file cannot be read either."""
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

    def runs(self, owner: str) -> list[Run]:
        """All runs of an owner, the latest first."""

        def ask(rows: Any) -> list[Any]:
            query = rows.select(rows.id, rows.name, rows.made, rows.facts)
            return list(query.where(rows.owner == owner, ~rows.deleted).order_by(rows.id.desc()))

        return [run for row in self._read(ask) if (run := run_of_row(row)) is not None]

    def files(self, owner: str, run_id: int) -> Files:
        """The checkpoint of a run.

        Raises:
            RunsProblem: there is no such run of this owner.
        """
        row = self._read(lambda rows: rows.get_or_none(_mine(rows, owner, run_id)))
        if row is None:
            raise RunsProblem("This run is not here any more; it was deleted, perhaps on another page.")
        return Files(row.checkpoint, bytes(row.prompts))

    # Writing ---------------------------------------------------------------------------------------------------------

    def add(self, owner: str, run: Run, files: Files) -> int:
        """Keep a run; its number, which becomes part of its name where it has none.

        Raises:
            RunsProblem: there is no room for another.
        """
        facts = written(run)
        size = files.size + len(facts.encode())
        with self._connected() as rows, self._database.atomic("IMMEDIATE"):
            mine = rows.select(peewee.fn.COUNT(rows.id), peewee.fn.COALESCE(peewee.fn.SUM(rows.size), 0))
            count, total = mine.where(rows.owner == owner, ~rows.deleted).tuples().get()
            if count >= MOST_RUNS or total + size > MOST_BYTES:
                raise RunsProblem(
                    f"The last training is not kept as a run: {MOST_RUNS} runs and {MOST_BYTES // 2**20} MB are the "
                    "most. Delete some on the page Compare."
                )
            row = rows.create(
                owner=owner,
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

    def rename(self, owner: str, run_id: int, name: str) -> None:
        """Nothing happens where the name is empty, or the run is gone."""
        kept = " ".join("".join(char if char.isprintable() else " " for char in name).split())[:MOST_NAME]
        if kept:
            with self._connected() as rows:
                rows.update(name=kept).where(_mine(rows, owner, run_id)).execute()

    def delete(self, owner: str, run_id: int) -> None:
        """Take a run off the list. It can be brought back until the next one is deleted, or the app starts anew."""
        with self._connected() as rows:
            # A second click on the same button is no next deletion: it takes nothing, and the way back stays.
            if rows.update(deleted=True).where(_mine(rows, owner, run_id)).execute():
                rows.delete().where(rows.owner == owner, rows.deleted, rows.id != run_id).execute()

    def undelete(self, owner: str, run_id: int) -> None:
        """Bring a run back; nothing happens where it is not the one that was deleted last."""
        with self._connected() as rows:
            rows.update(deleted=False).where(rows.owner == owner, rows.deleted, rows.id == run_id).execute()

    def forget(self, owner: str) -> None:
        """Everything of a visitor who has gone and cannot come back."""
        with self._connected() as rows:
            rows.delete().where(rows.owner == owner).execute()


def _mine(rows: Any, owner: str, run_id: int) -> Any:
    return (rows.id == run_id) & (rows.owner == owner) & ~rows.deleted
