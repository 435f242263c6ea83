"""Where runs are kept: the file, whose they are, and what is done with a file that cannot be used. Knows no Streamlit.

A file that is damaged is set aside, one that is newer or somebody else's is left alone; none is ever overwritten. One
on a disk that is full or may not be written is read as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import sys
import time
from pathlib import Path

from app.jobs.manager import PlainError

FILE = "runs.sqlite"
MARK, VERSION = 0x47616C50, 1
"""Written into the file's header: that it is this app's, and how its tables are laid out."""
MACHINE = "this machine"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class RunsProblem(PlainError):
    """Runs that cannot be kept or read; the message says why and what to do."""


class CannotWrite(RunsProblem):
    """Nothing can be written here; what the file holds may still be read."""


def data_folder() -> Path:
    """``$GALLOP_DATA``, or ``gallop`` in the user's folder for the data of programs."""
    home = Path.home()
    if chosen := os.environ.get("GALLOP_DATA"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "gallop"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "gallop"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "gallop"


def owner_of(address: str | None, token: str) -> str:
    """Whose runs: an app that only this machine reaches has one owner; else the visitor, by a hash of the token.

    Args:
        address: that the app listens on; None is every one of the machine's.
    """
    return MACHINE if address in LOOPBACK else hashlib.sha256(f"runs of {token}".encode()).hexdigest()


def set_aside_if_damaged(path: Path) -> str:
    """Give a damaged file another name, so that nothing of it is lost; what was done, as a sentence."""
    if not path.exists() or path.stat().st_size == 0 or not _damaged(path):
        return ""
    aside = path.with_name(f"runs damaged {time.strftime('%Y-%m-%d %H%M%S')}.sqlite")
    for ending in ("", "-wal", "-shm"):  # what was not yet written into the file goes with it
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{ending}", f"{aside}{ending}")
    return f"The file of runs was damaged. It was set aside as {aside.name} in {path.parent}, and a new one begun."


def _damaged(path: Path) -> bool:
    if path.open("rb").read(16) != b"SQLite format 3\0":
        return True
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError as error:  # locked, or it may not be written: not damaged
        raise not_opened(path, error) from error
    except sqlite3.DatabaseError:
        return True


def not_opened(path: Path, error: Exception) -> RunsProblem:
    """What SQLite says to a file that it cannot open as it would, for writing."""
    if "locked" in str(error):
        return RunsProblem(f"{path} is used by another program ({error}), so no runs are kept or shown.")
    return CannotWrite(
        f"{path} cannot be written ({error}), so no runs are kept. Make room on its disk, or name another folder in "
        "GALLOP_DATA."
    )


def database_address(path: Path, *, reading_only: bool) -> str:
    """The file for SQLite, as a URI.

    Args:
        reading_only: nothing is written beside it either. What its last writer has left there is read as well; where
            nothing was left the file is read as it stands, for else SQLite would want to begin such a journal.
    """
    journal = path.with_name(f"{path.name}-wal")
    left = journal.exists() and journal.stat().st_size > 0
    return path.absolute().as_uri() + (("?mode=ro" if left else "?immutable=1") if reading_only else "")


def refuse_foreign(path: Path, *, reading_only: bool = False) -> None:
    """Raises RunsProblem for a file of a newer version, or of another program."""
    try:
        with contextlib.closing(
            sqlite3.connect(database_address(path, reading_only=reading_only), uri=True)
        ) as connection:
            # Tables first: another program may be making them, and its mark is there when they are.
            (tables,), (mark,), (version,) = (
                connection.execute(question).fetchone()
                for question in ("SELECT COUNT(*) FROM sqlite_master", "PRAGMA application_id", "PRAGMA user_version")
            )
    except sqlite3.OperationalError as error:
        raise not_opened(path, error) from error
    if mark == MARK and version > VERSION:
        raise RunsProblem(
            f"{path} was written by a newer version of this app, so it is left as it is and no runs are kept. Update "
            "the app, or name another folder in GALLOP_DATA."
        )
    if mark != MARK and tables:
        raise RunsProblem(f"{path} is not a file of this app, so it is left as it is and no runs are kept.")
