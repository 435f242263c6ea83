"""Who is who: one session a visitor, found again by the token in the page's address. Knows no Streamlit and no torch.

A reload closes one connection and opens another, so a session outlives its connections: each open page holds a lease,
and only when no lease was held for a grace time is the session closed, its training cancelled and its photos dropped.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jobs import PlainError
from session import Session

GRACE_SECONDS = 120.0
"""Long enough for a reload and for a laptop that changes its network."""
MOST_SESSIONS = 32


class TooManyVisitors(PlainError):
    """As many people use the app as it takes."""


@dataclass
class _Visitor:
    session: Session
    left: float
    """When the last page was closed; only read while there are no leases."""
    leases: int = 0


@dataclass
class Lease:
    """One open page of a visitor."""

    _release: Callable[[], None]

    def release(self) -> None:
        self._release()


@dataclass
class Visitors:
    """The sessions of this server by their token of 128 bits.

    Args:
        grace: seconds without an open page after which a session is closed.
        most: sessions at a time; their photos lie in memory.
    """

    grace: float = GRACE_SECONDS
    most: int = MOST_SESSIONS
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _visitors: dict[str, _Visitor] = field(default_factory=dict)
    _reaper: threading.Thread | None = None

    def new(self) -> str:
        """A session of its own, and the token that leads to it.

        Raises:
            TooManyVisitors: ``most`` are here already.
        """
        with self._lock:
            if len(self._visitors) >= self.most:
                raise TooManyVisitors(
                    f"{self.most} people use this app at the moment, and it takes no more. Try again in a few minutes."
                )
            token = secrets.token_hex(16)
            self._visitors[token] = _Visitor(Session(), time.monotonic())
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, name="visitors", daemon=True)
                self._reaper.start()
        return token

    def find(self, token: str) -> Session | None:
        """The session of a token; None where there is none any more. A token is never taken from outside."""
        with self._lock:
            visitor = self._visitors.get(token)
            return visitor.session if visitor else None

    def lease(self, token: str) -> Lease:
        """Keep a session open until the lease is released."""
        with self._lock:
            visitor = self._visitors.get(token)
            if visitor is not None:
                visitor.leases += 1
        return Lease(lambda: self._release(token))

    def _release(self, token: str) -> None:
        with self._lock:
            visitor = self._visitors.get(token)
            if visitor is not None:
                visitor.leases -= 1
                visitor.left = time.monotonic()

    def _reap(self) -> None:
        while True:
            time.sleep(self.grace / 20)
            now = time.monotonic()
            with self._lock:
                gone = [
                    token
                    for token, visitor in self._visitors.items()
                    if visitor.leases <= 0 and now - visitor.left > self.grace
                ]
                closed = [self._visitors.pop(token) for token in gone]
            for visitor in closed:
                visitor.session.close()
