"""Files that a reader sees complete or not at all, and locks that do not outlive their holder.

A file is written as a draft beside it, which is then renamed. Its writer holds a lock on the draft, which the system
releases however the process ends: so the next writer can tell abandoned drafts from those being written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain, count, takewhile
from pathlib import Path
from typing import BinaryIO

from gallop.runtime.reading import open_file

if sys.platform != "win32":  # there nothing is locked, and no draft cleared
    import fcntl

DRAFT = ".gallop-draft"
"""How the names of drafts end."""
_FORBIDDEN = '<>:"/\\|?*'
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³")}


def free_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return for each name one that a folder or a file can have: no separator, no leading dot, nothing that Windows
    keeps for a device, all different where capitals do not count.

    Args:
        taken: names of other files there.
    """
    free, used = list[str](), {name.casefold() for name in taken}
    for name in names:
        plain = "".join("_" if char in _FORBIDDEN or not char.isprintable() else char for char in name)[:60].strip(". ")
        if not plain or plain.split(".")[0].rstrip().upper() in _DEVICES:
            plain = f"_{plain}"
        numbered = chain([plain], (f"{plain} {n}" for n in count(2)))
        free.append(next(each for each in numbered if each.casefold() not in used))
        used.add(free[-1].casefold())
    return free


def write_file(path: Path, content: bytes) -> None:
    """Write a file, and its folders, so that a reader sees the old one or the new one, never half of either.

    Drafts that killed processes left in its folder are removed.

    Raises:
        OSError: it cannot be written, and is as it was; the error names it.
    """
    with open_draft(path) as file:
        file.write(content)


def write_quickly(path: Path, content: bytes) -> None:
    """Write one of many files that can be made again: this neither waits for the disk nor looks for old drafts."""
    with _named_later(path, lasting=False) as file:
        file.write(content)


def append_quickly(path: Path, content: bytes) -> None:
    """Add to the end of a file that several processes add to, in one piece; where there is none it is made.

    Raises:
        OSError: it cannot be written, is not a regular file, or there was room for only a part of it.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        write_quickly(path, content)
        return
    with os.fdopen(handle, "ab", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file, so nothing is appended to it", str(path))
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            error.filename = str(path)
            raise


def whole_lines(path: Path, most: int) -> Iterator[bytes]:
    """Yield the lines of a file that lines are appended to, with their ends; nothing where there is no file. Half a
    line at the end, as a kill or a full disk leaves it, is cut off once they are all read. A file of one line without
    an end is not cut: it is somebody else's.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger than ``most`` bytes.
    """
    if not path.exists():
        return
    end = 0
    with open_file(path, most) as file:
        for line in file:
            if line.endswith(b"\n") or not end:
                end += len(line)
                yield line
    if end < path.stat().st_size:
        os.truncate(path, end)


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are missing, however many there are: ``Path.mkdir`` recurses.

    Raises:
        OSError: it cannot be made; the error names it.
    """
    missing = list(takewhile(lambda folder: not folder.exists(), path.parents))
    for folder in (*reversed(missing), path):
        folder.mkdir(exist_ok=True)


def clear_drafts(folder: Path) -> None:
    """Remove the drafts in a folder whose writers have ended; where that is not allowed, nothing happens."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if entry.name.endswith(DRAFT)]:
            with contextlib.suppress(OSError), open(path, "rb+") as file:
                _lock(file.fileno(), wait=False)  # refused where it is being written
                os.unlink(path)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Lock a file, which is made and removed afterwards. On systems without locks nothing is locked.

    Raises:
        BlockingIOError: another holds it, and ``wait`` is False.
        OSError: it cannot be made.
    """
    make_folder(path.parent)
    if sys.platform == "win32":
        yield
        return
    handle, _ = _make_locked(lambda: (os.open(path, os.O_RDWR | os.O_CREAT, 0o666), str(path)), wait=wait)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is locked: a process that waits for it notices, and makes another
        os.close(handle)


def open_draft(path: Path) -> AbstractContextManager[BinaryIO]:
    """Open a file to be written in parts: it gets its name when the block ends without an error, else it is removed.

    Drafts that killed processes left in its folder are removed.

    Raises:
        OSError: as ``write_file``.
    """
    clear_drafts(Path(os.path.realpath(path)).parent)
    return _named_later(path)


@contextlib.contextmanager
def _named_later(path: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """Open a draft that gets the name of the file when the block ends without an error.

    Args:
        lasting: whether this waits for the disk.
    """
    path = Path(os.path.realpath(path))
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

    def make() -> tuple[int, str]:
        name = str(path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}{DRAFT}"))
        return os.open(name, flags, 0o666), name

    try:
        if path.exists() and not path.is_file():  # renamed over, a device would be gone for all programs
            raise OSError(errno.EINVAL, "it is not a regular file, so it is not replaced", str(path))
        make_folder(path.parent)
        handle, name = _make_locked(make, wait=True)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
                if sys.platform == "win32":
                    file.close()  # it renames no open file; elsewhere the lock is held until the file has its name
                os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # not the draft, which the caller does not know
        raise


def _make_locked(make: Callable[[], tuple[int, str]], *, wait: bool) -> tuple[int, str]:
    """Make a file and lock it, again as long as another process removes it in between; its handle and name."""
    while True:
        handle, name = make()
        try:
            _lock(handle, wait=wait)
            if os.path.samestat(os.fstat(handle), os.stat(name)):
                return handle, name
        except BlockingIOError:
            os.close(handle)
            raise
        except FileNotFoundError:
            pass
        except OSError:
            return handle, name  # no locks here
        os.close(handle)


def _lock(handle: int, *, wait: bool) -> None:
    """Raises BlockingIOError where another process has it, and another OSError where the system has no locks."""
    if sys.platform == "win32":
        raise OSError("Windows has no such locks.")
    fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
