"""How much one visitor may have in memory: photos, and files that were sent and nobody has read yet.

A file that is sent waits in memory until a page reads it. Some never are: the page was closed meanwhile, or a program
sent them. Knows no Streamlit and no torch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ALLOWED_USUALLY = 1536 * 2**20
"""Bytes; more than the photos that fit on all cards and shelves take, with those that an undo brings back."""
UNREAD_SECONDS = 600.0
"""When a page has sent the last of some files it tells so at once, and they are read by the run that brings this."""

_said: int | None = None


def allow_each(size: int | None) -> None:
    """Say how many bytes each visitor may have, before the first one comes; None is as many as usual."""
    global _said
    _said = size


def allowed() -> int:
    """Return how many bytes each visitor may have."""
    return ALLOWED_USUALLY if _said is None else _said


def no_room(name: str, size: int, held: int) -> str:
    """Return why there is no room for a file or photo, as a sentence; empty where there is.

    Args:
        held: bytes that its visitor has already.
    """
    if held + size <= allowed():
        return ""
    return (
        f"{name} does not fit: it takes {_megabytes(size)}, you have {_megabytes(held)} here, and "
        f"{_megabytes(allowed())} are the most for one visitor. Remove photos first, or ask whoever started the app "
        "for more (--visitor-memory)."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e6:.1f} MB"


@dataclass(frozen=True)
class _File:
    browser: str
    page: str
    size: int


@dataclass
class UnreadFiles:
    """Files that were sent and not read yet, each by the number that the server gave it. Thread-safe.

    Attributes:
        clock: the seconds that it is.
    """

    clock: Callable[[], float] = time.monotonic
    _files: dict[str, _File] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    """When a page sent something."""
    _refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By its number: the page, and why it was not taken."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def comes(self, file: str, name: str, size: int, browser: str, page: str, held: int) -> str:
        """Take note of a file before its first byte is read; why there is no room for it, as a sentence.

        Args:
            held: bytes of the photos that this browser's visitors have.
        """
        with self._lock:
            self._last[page] = self.clock()
            others = (other for number, other in self._files.items() if number != file)
            waiting = sum(other.size for other in others if other.browser == browser)
            problem = no_room(name, size, held + waiting)
            if problem:
                self._refused[file] = page, problem
            else:
                self._files[file] = _File(browser, page, size)
            return problem

    def has_gone(self, file: str) -> None:
        """It was read, or has never come."""
        with self._lock:
            self._files.pop(file, None)

    def why_refused(self, file: str) -> str:
        """Return why a file was not taken, once; empty for one that was."""
        with self._lock:
            return self._refused.pop(file, ("", ""))[1]

    def page_has_gone(self, page: str) -> None:
        """All that it has sent goes with it."""
        with self._lock:
            self._forget(page)

    def left_over(self) -> list[tuple[str, str]]:
        """Return page and number of the files that nobody will read any more, and forget them."""
        with self._lock:
            late = self.clock() - UNREAD_SECONDS
            over = [page for page, last in self._last.items() if last < late]
            found = [(file.page, number) for number, file in self._files.items() if file.page in over]
            for page in over:
                self._forget(page)
            return found

    def _forget(self, page: str) -> None:
        self._last.pop(page, None)
        self._files = {number: file for number, file in self._files.items() if file.page != page}
        self._refused = {number: why for number, why in self._refused.items() if why[0] != page}
