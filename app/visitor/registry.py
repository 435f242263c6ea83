"""Who is who: one session a visitor, found again by the token in the page's address. Knows no Streamlit and no torch.

A reload closes one connection and opens another, so a session outlives its connections: each page that was drawn holds
a lease as long as it is connected, and only when no lease was held for a grace time is the session closed, its training
cancelled and its photos dropped. Nobody gives a lease back, so nobody can give back another's: whether a page is
connected is asked again and again.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from app.jobs.manager import PlainError
from app.visitor.session import Session

GRACE_SECONDS = 120.0
"""Long enough for a reload and for a laptop that changes its network."""
MOST_SESSIONS = 32


class TooManyVisitors(PlainError):
    """As many people use the app as it takes."""


@dataclass
class _Visitor:
    session: Session
    seen: float
    """When a page was last known to be open."""
    leases: set[str] = field(default_factory=set)
    """The pages that hold one."""


@dataclass
class Visitors:
    """The sessions of this server by their token of 128 bits.

    Args:
        connected: whether the page of this name is still open.
        grace: seconds without an open page after which a session is closed.
        most: sessions at a time; their photos lie in memory.
    """

    connected: Callable[[str], bool]
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

    def lease(self, token: str, page: str) -> None:
        """Keep a session open as long as this page is connected."""
        with self._lock:
            visitor = self._visitors.get(token)
            if visitor is not None:
                visitor.leases.add(page)

    def _reap(self) -> None:
        while True:
            time.sleep(self.grace / 20)
            for session in self._gone():
                session.close()

    def _gone(self) -> list[Session]:
        """Sessions whose pages have been closed for the grace time; they are found no more."""
        now = time.monotonic()
        with self._lock:
            for visitor in self._visitors.values():
                visitor.leases = {page for page in visitor.leases if self.connected(page)}
                visitor.seen = now if visitor.leases else visitor.seen
            gone = [token for token, visitor in self._visitors.items() if now - visitor.seen > self.grace]
            return [self._visitors.pop(token).session for token in gone]
