"""Set up a process that runs backbones on a CPU: idle threads sleep, and freed memory is kept for next time.

Both are settings of the whole process, so the library itself never makes them: the command line and the app do, and
whoever uses the library alone may (``from gallop.runtime.process import prepare``, before torch is loaded).

* Torch's threads spin while they wait for each other. On shared cores they take the time of those they wait for. Those
  that sleep must be woken, which takes a good part of a small operation; so a training step has its parts on threads of
  their own instead (``gallop.runtime.threads``).
* glibc gives large blocks back to the system when they are freed, and the system clears every page before it hands it
  out again: while `mini` encodes photos, that is up to 10,000 pages a photo and a third of its time.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys

# Of malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""For the environment of a process in which threads begin before it can call ``prepare``: each of them would have a
heap of its own, which later ones share. After some hundred clicks in the app, three times as much memory lies free
between what is used, where the system cannot have it."""
KEPT_BLOCK = 32 * 2**20
"""Bytes; blocks up to this size (the largest that glibc allows) are taken from memory that the process keeps."""


def prepare() -> None:
    """Make both settings; call it before torch is loaded. ``OMP_WAIT_POLICY`` stays as it is where it is set.

    The process then holds on to the most memory it has ever used. Other C libraries than glibc are left as they are.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    mallopt(_MMAP_THRESHOLD, KEPT_BLOCK)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    # One heap for all threads that begin from now on: those of other threads are small, and what does not fit is mapped
    # again each time.
    mallopt(_ARENA_MAX, 1)


def fill_closed_streams() -> None:
    """Open standard streams that were closed before the start (``>&-``) on nothing: Python has None in their place, and
    the next file that is opened would get their numbers, and what C libraries say.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is the stream's
            os.set_inheritable(handle, True)
            setattr(sys, name, os.fdopen(handle, "r" if name == "stdin" else "w"))


def drop_unwritten() -> None:
    """Drop what standard output and error hold and cannot write: Python tries again at exit, with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def give_back() -> None:
    """Hand memory that is free back to the system, as far as it is not in use in between: for a process at rest."""
    gc.collect()
    trim()


def collect_since() -> bool:
    """Look for garbage, unless next to nothing was made since the last time, as at rest; return whether it was looked
    for. All threads stand meanwhile, for a tenth of a second or more.
    """
    _, *collections = gc.get_count()  # of the young and of the middle-aged, since all were looked at
    if not any(collections):
        return False
    gc.collect()
    return True


def trim() -> None:
    """Hand memory that is free back to the system, without looking for garbage first: some milliseconds."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # not glibc; Windows knows no library without a name
        ctypes.CDLL(None).malloc_trim(0)


def free_bytes() -> int:
    """Return the bytes that the C library keeps for next time; 0 where it does not tell, as glibc does from 2.33 on."""
    try:
        tell = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):  # as above
        return 0
    tell.restype = _Counts
    found: int = tell().fordblks
    return found


class _Counts(ctypes.Structure):
    """``mallinfo2`` of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )
