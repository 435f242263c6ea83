"""Set up a process that runs backbones on a CPU: idle threads sleep, and freed memory is held for reuse.

Both are settings of the entire process, so the library never makes them: the command line and the app do, and a program
that uses the library alone may (``from gallop.runtime.process import prepare``, before torch is loaded).

* Torch's threads spin while they wait for each other. On shared cores they take time from those they wait for. Sleeping
  threads must be woken, which takes a good part of a small operation; so the parts of a training step run on separate
  threads instead (``gallop.runtime.threads``).
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
separate heap, which later ones share. After some hundred clicks in the app, three times as much free memory would lie
between used blocks, where the system cannot take it back."""
LARGEST_HEAP_BLOCK = 32 * 2**20
"""Bytes; blocks up to this size (the largest that glibc allows) are taken from the heap, which the process reuses."""


def prepare() -> None:
    """Make both settings; call it before torch is loaded. ``OMP_WAIT_POLICY`` is unchanged where it is set.

    The process then holds on to the most memory it has ever used. Other C libraries than glibc are left as they are.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return
    mallopt(_MMAP_THRESHOLD, LARGEST_HEAP_BLOCK)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    # One heap for all threads that begin from now on: those of other threads are small, and what does not fit is mapped
    # again each time.
    mallopt(_ARENA_MAX, 1)


def fill_closed_streams() -> None:
    """Open standard streams that were closed before the start (``>&-``) on the null device: Python has None in their
    place, and the next file that is opened would get their numbers, and with them the output of C libraries.
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


def collect_since() -> bool:
    """Collect garbage, unless hardly any objects were made since the last time, as at rest; return whether it did. All
    threads wait meanwhile, for a tenth of a second or more.
    """
    _, *collections = gc.get_count()  # of the young and of the middle-aged, since all were looked at
    if not any(collections):
        return False
    gc.collect()
    return True


def trim() -> None:
    """Return free memory to the system, without collecting garbage first: some milliseconds."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # not glibc; Windows loads no library without a name
        ctypes.CDLL(None).malloc_trim(0)
