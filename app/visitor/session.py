"""The sessions of visitors: photos, training, answers and page states, and when they end. Knows no Streamlit, no torch.

All visitors share the frozen backbones; each session has separate prompts. A reload ends the connection at once, so a
session must not end with it. Each page that is drawn holds a lease as long as it is connected, and only when no lease
was held for the set time is the session closed, its training cancelled and its photos dropped. Leases are never
returned, since a page could return that of another: the server checks repeatedly whether a page is connected. Results
that can be computed again are dropped after a grace time, and where photos of sessions without a page fill the memory,
some of these are closed early. ``app.serving`` has what strangers need beside.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from app import options
from app.jobs import Job, JobManager, PlainError, Snapshot, State, Work
from app.runs.run import Run
from app.visitor.answers import VisitorAnswers, VisitorLimit
from app.visitor.page_state import (
    EvidenceState,
    ExploreState,
    PhotoEdit,
    TestState,
)
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop.data.project_file import Project
from gallop.errors import sentence_of
from gallop.runtime.hosts import LOCAL_NAMES


class Where(Enum):
    CARDS = auto()
    CORRECTION = auto()
    OPENED = auto()
    NEXT = auto()
    RUNS = auto()
    MODELS = auto()
    BACKBONES = auto()
    PROJECT = auto()
    SORT = auto()


@dataclass(frozen=True)
class Notice:
    """A message that is shown once."""

    kind: Literal["success", "info", "error"]
    words: str


@dataclass(frozen=True)
class PageJob:
    """A job of a page: ``name`` is the key of its result, ``words`` describe the work."""

    name: str
    words: str
    job: Job


@dataclass
class PageJobs:
    """The page jobs of one visitor: the running one, and the last snapshot of each name."""

    # Whose turn its jobs take.
    visitor: str = ""
    running: PageJob | None = None
    ended: dict[str, Snapshot] = field(default_factory=dict)

    def start(self, manager: JobManager, work: Work, name: str, words: str) -> None:
        """Queue a job; the last result of this name is forgotten.

        Raises:
            PlainError: another one is running, or too many jobs are waiting.
        """
        if self.running is not None:
            raise PlainError(f"{self.running.words} is still in progress. Wait for it to end, or cancel it.")
        self.running = PageJob(name, words, manager.submit(work, visitor=self.visitor))
        self.ended.pop(name, None)

    def settle(self) -> None:
        """Take over the result of the running job, once it has ended."""
        if self.running is None:
            return
        snapshot = self.running.job.snapshot()
        if not snapshot.active:
            self.ended[self.running.name], self.running = snapshot, None

    def result(self, name: str) -> Any:
        """Return the result of the last job of this name; None without one."""
        snapshot = self.ended.get(name)
        return None if snapshot is None else snapshot.result

    def problem(self, name: str) -> str:
        """Return why the last job of this name has no result, as a sentence; empty where it succeeded."""
        snapshot = self.ended.get(name)
        if snapshot is not None and snapshot.state is State.FAILED:
            return snapshot.error
        return "Cancelled." if snapshot is not None and snapshot.state is State.CANCELLED else ""

    def cancel(self) -> None:
        """Ask the running job, if there is one, to stop."""
        if self.running is not None:
            self.running.job.cancel()


class Session:
    """One visitor's things.

    Args:
        browser: its number; all sessions of a browser count as one visitor in the job queue.

    Attributes:
        page_jobs: jobs of pages other than Teach.
        downloads: downloads of backbones for this visitor.
        values: of the widgets that only their own page reads, by key.
        explore, test, evidence: the states of the pages.
        newest_run: the newest run with figures when the runs were drawn last.
        form_of: the backbone whose settings the form of Teach shows; None before it was drawn, and where they were
            changed elsewhere.
        edit: what is covered of the photo on Explore, and which part of it is looked at.
        notices: messages to show once.
        shown: those that the current run of the page has shown.
        lost: whether the address led to a session that had ended.
        asked: a project, its runs and its file's name, while the visitor is asked whether it replaces theirs.
    """

    def __init__(self, browser: str = "") -> None:
        self.photos = VisitorPhotos()
        self.training = VisitorTraining(self.photos, browser)
        self.limit = VisitorLimit(self.training)
        self.answers = VisitorAnswers(self.photos, self.training, self.limit)
        self.page_jobs, self.downloads = PageJobs(browser), PageJobs(browser)
        self.values: dict[str, Any] = {}
        self.explore = ExploreState()
        self.begin_pages()
        self.edit = PhotoEdit()
        self.notices: dict[Where, Notice] = {}
        self.shown: dict[Where, Notice] = {}
        self.lost = False
        self.asked: tuple[Project, list[Run], str] | None = None

    def begin_pages(self) -> None:
        """Let the pages about what was taught be as they are at first."""
        self.test, self.evidence = TestState(), EvidenceState()
        self.newest_run: int | None = None
        self.form_of: str | None = None

    def tell(self, where: Where, words: str, kind: Literal["success", "info", "error"] = "success") -> None:
        """Let the next page that has the place show a sentence, once."""
        self.notices[where] = Notice(kind, words)

    @contextmanager
    def telling(self, where: Where, kind: Literal["info", "error"] = "error") -> Iterator[None]:
        """Show an error that is raised inside, if it has a message for users; the rest of the block is skipped then."""
        try:
            yield
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            self.tell(where, sentence, kind)

    @property
    def has_anything(self) -> bool:
        """Whether it contains more than the states of pages."""
        photos, working = self.photos, self.page_jobs.running or self.downloads.running
        return bool(
            photos.deck.cards
            or photos.shelf.photos
            or photos.unknown.photos
            or photos.pile.size
            or self.training.taught
            or working
        )

    @property
    def takes_sample(self) -> bool:
        """Whether there is nothing yet that could be confused with the sample."""
        training = self.training
        return not (self.photos.deck.cards or training.taught or training.elsewhere or training.job)

    def rest(self) -> None:
        """Drop results that can be computed again, after a while without a page. Photos and taught models stay."""
        self.answers = VisitorAnswers(self.photos, self.training, self.limit)
        self.photos.forget_features()
        self.page_jobs.ended.clear()

    def close(self) -> None:
        """Stop all its work and drop its photos: its page is gone for good.

        The server may refer to a closed page's session for a while.
        """
        self.training.close()
        self.page_jobs.cancel()
        self.downloads.cancel()
        self.photos.let_go()
        self.rest()


# Long enough for a reload and for a laptop that changes its network.
GRACE_SECONDS = 120.0
# How long a session stays where only this machine reaches the app: a working day, with its breaks.
LOCAL_SECONDS = 8 * 3600.0
# Of the grace time, after which a closed page is forgotten. The server would do so after the full grace time, but only
# when another page is closed.
CLOSED_FRACTION = 0.75
# Of photos in sessions without a page; one visitor's limit is lower.
MOST_RESTING_BYTES = 1536 * 2**20


def session_seconds(address: str | None) -> float:
    """Return how long sessions outlive their pages: as set, or hours where only this machine reaches the app, since
    elsewhere other visitors need the memory.
    """
    if (keep := options.started.keep) is not None:
        return keep
    return LOCAL_SECONDS if address in LOCAL_NAMES else GRACE_SECONDS


@dataclass
class _Visitor:
    session: Session
    # The number of the browser that started it; empty where that stores no cookies.
    browser: str
    # When a page was last seen open.
    seen: float
    # When a page was last drawn.
    drawn: float
    # The pages that hold a lease.
    leases: set[str] = field(default_factory=set)
    # Whether the results that can be computed again were dropped.
    rests: bool = False


@dataclass
class Visitors:
    """The sessions of this server by their token of 128 bits, each for the browser that started it.

    Args:
        connected: whether the page of this name is still open.
        grace: seconds without an open page after which a session rests, and may be closed where others need room.
        keep: seconds without an open page after which a session is closed; the grace time at least.
        most_bytes: of photos in sessions that rest.
        clock: returns the current time in seconds.
        closed: called with each page that was closed and has not come back, so that the server can free its data.
    """

    connected: Callable[[str], bool]
    grace: float = GRACE_SECONDS
    keep: float = 0.0
    most_bytes: int = MOST_RESTING_BYTES
    clock: Callable[[], float] = time.monotonic
    closed: Callable[[str], None] = lambda page: None
    # Pages that were closed, and when that was seen.
    _left: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _visitors: dict[str, _Visitor] = field(default_factory=dict)
    _reaper: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.keep = max(self.keep, self.grace)

    def new(self, browser: str = "") -> str:
        """Start a session and return its token.

        Args:
            browser: its number, ``middleware.BROWSER``. Browsers that store no cookies and other programs have none:
                sessions that they start are open to all clients without a number.

        Raises:
            PlainError: there is no room.
        """
        with self._lock:
            self._look()
            gone = [self._visitors.pop(token).session for token in self._leaving(browser)]
            token = secrets.token_hex(16)
            self._visitors[token] = _Visitor(Session(browser), browser, self.clock(), self.clock())
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, name="visitors", daemon=True)
                self._reaper.start()
        for session in gone:
            session.close()
        return token

    def find(self, token: str, browser: str = "") -> Session | None:
        """Return the session of a token; None if it has ended or belongs to another browser. Only tokens of ``new`` are
        accepted.
        """
        with self._lock:
            visitor = self._visitors.get(token)
            return visitor.session if visitor and secrets.compare_digest(visitor.browser, browser) else None

    def lease(self, token: str, page: str) -> None:
        """Keep a session open as long as this page is connected."""
        with self._lock:
            visitor = self._visitors.get(token)
            self._left.pop(page, None)
            if visitor is not None:
                visitor.leases.add(page)
                visitor.seen = visitor.drawn = self.clock()
                visitor.rests = False

    def remove(self, token: str) -> None:
        """Close a session at once: its photos are dropped, and its work is cancelled."""
        with self._lock:
            visitor = self._visitors.pop(token, None)
        if visitor is not None:
            visitor.session.close()

    def clear_out(self) -> None:
        """Close sessions that expired or whose photos exceed the memory; let others rest, and forget closed pages."""
        with self._lock:
            self._look()
            over = [token for token, visitor in self._visitors.items() if self._away(visitor) > self.keep]
            gone = [self._visitors.pop(token).session for token in over]
            resting = self._resting()
            sizes = {token: size for token in resting if (size := self._visitors[token].session.photos.size)}
            while sum(sizes.values()) > self.most_bytes:
                largest = self._first_to_go(sizes)
                del sizes[largest]
                gone.append(self._visitors.pop(largest).session)
            for visitor in (self._visitors[token] for token in resting if token in self._visitors):
                if not visitor.rests:
                    visitor.rests = True
                    visitor.session.rest()
            pages = [page for page, seen in self._left.items() if self.clock() - seen > CLOSED_FRACTION * self.grace]
            for page in pages:
                del self._left[page]
        for session in gone:
            session.close()
        for page in pages:
            self.closed(page)

    def close(self) -> None:
        """Close all sessions, and end the thread that clears them out."""
        self._ended.set()
        for token in [*self._visitors]:
            self.remove(token)

    def _reap(self) -> None:
        while not self._ended.wait(self.grace / 20):
            self.clear_out()

    # All below: the lock is held -------------------------------------------------------------------------------------

    def _look(self) -> None:
        now = self.clock()
        for visitor in self._visitors.values():
            for page in [page for page in visitor.leases if not self.connected(page)]:
                visitor.leases.remove(page)
                self._left[page] = now
            visitor.seen = now if visitor.leases else visitor.seen

    def _away(self, visitor: _Visitor) -> float:
        """Return for how many seconds no page of a visitor was open when last checked."""
        return self.clock() - visitor.seen

    def _resting(self) -> list[str]:
        """Return sessions without a page beyond the grace time: first those without photos, then the oldest."""
        away = [(token, visitor) for token, visitor in self._visitors.items() if self._away(visitor) > self.grace]
        return [token for token, _ in sorted(away, key=lambda pair: (pair[1].session.photos.size > 0, pair[1].seen))]

    def _leaving(self, browser: str) -> list[str]:
        """Return the sessions that make room for a new one of this browser: on one's own machine there is room."""
        return []

    def _first_to_go(self, sizes: Mapping[str, int]) -> str:
        """Return which of these sessions makes room for photos: on one's own machine the oldest.

        Args:
            sizes: bytes of sessions, the oldest first.
        """
        return next(iter(sizes))
