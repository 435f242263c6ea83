"""The sessions of visitors: photos, training, answers and page states, and when they end. Knows no Streamlit, no torch.

All visitors share the frozen backbones; each session has separate prompts. A reload ends the connection at once, so a
session must not end with it. Each page that is drawn holds a lease as long as it is connected, and only when no lease
was held for the set time is the session closed, its training cancelled and its photos dropped. Leases are never
returned, since a page could return that of another: the server checks repeatedly whether a page is connected. Where
photos of sessions without a page fill the memory, or a new visitor needs their place, the oldest are closed early.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
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


# In place of a job that was never started.
_NOTHING = Snapshot(State.DONE)


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
        return self.ended.get(name, _NOTHING).result

    def problem(self, name: str) -> str:
        """Return why the last job of this name has no result, as a sentence; empty where it succeeded."""
        snapshot = self.ended.get(name, _NOTHING)
        return "Cancelled." if snapshot.state is State.CANCELLED else snapshot.error

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

    def close(self) -> None:
        """Stop all its work and drop its photos: its page is gone for good.

        The server may refer to a closed page's session for a while.
        """
        self.training.close()
        self.page_jobs.cancel()
        self.downloads.cancel()
        self.photos.let_go()
        self.answers = VisitorAnswers(self.photos, self.training, self.limit)
        self.page_jobs.ended.clear()


# How long a session outlives its last page where others reach the app: long enough for a reload and for a laptop that
# changes its network.
GRACE_SECONDS = 120.0
# The same where only this machine reaches the app: a working day, with its breaks.
LOCAL_SECONDS = 8 * 3600.0
# After which a closed page is forgotten. The server would do so later, and only when another page is closed.
PAGE_SECONDS = 90.0
# Between two looks at which pages are open.
LOOK_SECONDS = 6.0
# Of photos in sessions without a page; one visitor's limit is lower.
MOST_RESTING_BYTES = 1536 * 2**20
# Sessions at a time.
MOST_SESSIONS = 32


def session_seconds(address: str | None) -> float:
    """Return how long sessions outlive their pages: as set, or hours where only this machine reaches the app, since
    elsewhere other visitors need the memory.
    """
    if (keep := options.started.keep) is not None:
        return max(keep, GRACE_SECONDS)
    return LOCAL_SECONDS if address in LOCAL_NAMES else GRACE_SECONDS


@dataclass
class _Visitor:
    session: Session
    # The number of the browser that started it; empty where that stores no cookies.
    browser: str
    # When a page was last seen open.
    seen: float
    # The open pages.
    leases: set[str] = field(default_factory=set)


@dataclass
class Visitors:
    """The sessions of this server by their token of 128 bits, each for the browser that started it.

    Args:
        connected: whether the page of this name is still open.
        keep: seconds without an open page after which a session is closed.
        clock: returns the current time in seconds.
        closed: called with each page that was closed and has not come back, so that the server can free its data.
    """

    connected: Callable[[str], bool]
    keep: float = GRACE_SECONDS
    clock: Callable[[], float] = time.monotonic
    closed: Callable[[str], None] = lambda page: None
    # Pages that were closed, and when that was seen.
    _left: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _visitors: dict[str, _Visitor] = field(default_factory=dict)
    _reaper: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def new(self, browser: str = "") -> str:
        """Start a session and return its token.

        Args:
            browser: its number, ``middleware.BROWSER``. Browsers that store no cookies and other programs have none:
                sessions that they start are open to all clients without a number.

        Raises:
            PlainError: as many visitors as there may be have a page open.
        """
        with self._lock:
            gone = None
            if len(self._visitors) >= MOST_SESSIONS:
                late = self.clock() - GRACE_SECONDS  # a reload takes its time
                away = {token: self._visitors[token] for token in self._away()}
                free = [token for token, each in away.items() if each.seen < late or not each.session.has_anything]
                if not free:
                    raise PlainError(
                        f"The app is full: {MOST_SESSIONS} people are already using it. Try again in a few minutes."
                    )
                gone = self._visitors.pop(free[0]).session
            token = secrets.token_hex(16)
            self._visitors[token] = _Visitor(Session(browser), browser, self.clock())
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, name="visitors", daemon=True)
                self._reaper.start()
        if gone is not None:
            gone.close()
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
                visitor.seen = self.clock()

    def remove(self, token: str) -> None:
        """Close a session at once: its photos are dropped, and its work is cancelled."""
        with self._lock:
            visitor = self._visitors.pop(token, None)
        if visitor is not None:
            visitor.session.close()

    def clear_out(self) -> None:
        """Close sessions that expired, or whose photos take too much memory without a page; forget closed pages."""
        gone, held, now = [], 0, self.clock()
        with self._lock:
            for token in reversed(self._away()):  # those that were left last keep their photos
                visitor = self._visitors[token]
                seconds, size = now - visitor.seen, visitor.session.photos.size
                held += size * (seconds > GRACE_SECONDS)
                if seconds > self.keep or (size and held > MOST_RESTING_BYTES and seconds > GRACE_SECONDS):
                    gone.append(self._visitors.pop(token).session)
            pages = [page for page, seen in self._left.items() if now - seen > PAGE_SECONDS]
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
        while not self._ended.wait(LOOK_SECONDS):
            self.clear_out()

    def _away(self) -> list[str]:
        """Return the sessions without an open page: first the empty ones, then the oldest. The lock is held."""
        now = self.clock()
        for visitor in self._visitors.values():
            for page in [page for page in visitor.leases if not self.connected(page)]:
                visitor.leases.remove(page)
                self._left[page] = now
            visitor.seen = now if visitor.leases else visitor.seen
        away = [token for token, visitor in self._visitors.items() if not visitor.leases]
        return sorted(away, key=lambda token: (self._visitors[token].session.has_anything, self._visitors[token].seen))
