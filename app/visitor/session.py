"""A visitor's session: photos, training, answers and page states. Knows no Streamlit and no torch.

``registry`` stores sessions, so that they survive a reload of the page. All visitors share the frozen backbones; each
session has separate prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from app.jobs import Job, JobManager, PlainError, Snapshot, State, Work
from app.runs.run import Run
from app.visitor.answers import VisitorAnswers, VisitorLimit
from app.visitor.page_state import (
    AskedRegion,
    CompareState,
    EvidenceState,
    ExploreState,
    PhotoEdit,
    TestState,
)
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop.data.project import Project
from gallop.errors import sentence_of


class Where(Enum):
    CARDS = auto()
    CORRECTION = auto()
    OPENED = auto()
    NEXT = auto()
    RUNS = auto()
    MODELS = auto()
    BACKBONES = auto()
    PROJECT = auto()
    SETTINGS = auto()
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
    _ended: dict[str, Snapshot] = field(default_factory=dict)

    def start(self, manager: JobManager, work: Work, name: str, words: str) -> None:
        """Queue a job; the last result of this name is forgotten.

        Raises:
            PlainError: another one is running, or too many jobs are waiting.
        """
        if self.running is not None:
            raise PlainError(f"{self.running.words} is still in progress. Wait for it to end, or cancel it.")
        self.running = PageJob(name, words, manager.submit(work, visitor=self.visitor))
        self._ended.pop(name, None)

    def settle(self) -> None:
        """Take over the result of the running job, once it has ended."""
        if self.running is None:
            return
        snapshot = self.running.job.snapshot()
        if not snapshot.active:
            self._ended[self.running.name], self.running = snapshot, None

    def result(self, name: str) -> Any:
        """Return the result of the last job of this name; None without one."""
        snapshot = self._ended.get(name)
        return None if snapshot is None else snapshot.result

    def take(self, name: str) -> Any:
        """Return the result of the last job of this name, and forget it."""
        snapshot = self._ended.pop(name, None)
        return None if snapshot is None else snapshot.result

    def problem(self, name: str) -> str:
        """Return why the last job of this name has no result, as a sentence; empty where it succeeded."""
        snapshot = self._ended.get(name)
        if snapshot is not None and snapshot.state is State.FAILED:
            return snapshot.error
        return "Cancelled." if snapshot is not None and snapshot.state is State.CANCELLED else ""

    def let_go(self) -> None:
        self._ended.clear()

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
        explore, test, evidence, compare: the states of the pages.
        form_of: the backbone whose settings the form of Teach shows; None before it was drawn, and where they were
            changed elsewhere.
        region, region_of: the region selected last on a single map, and the content hash of its photo.
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
        self.region: AskedRegion | None = None
        self.region_of = ""
        self.edit = PhotoEdit()
        self.notices: dict[Where, Notice] = {}
        self.shown: dict[Where, Notice] = {}
        self.lost = False
        self.asked: tuple[Project, list[Run], str] | None = None

    def begin_pages(self) -> None:
        """Let the pages about what was taught be as they are at first."""
        self.test, self.evidence, self.compare = TestState(), EvidenceState(), CompareState()
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

    def rest(self) -> None:
        """Drop results that can be computed again, after a while without a page. Photos and taught models stay."""
        self.answers = VisitorAnswers(self.photos, self.training, self.limit)
        self.photos.forget_features()
        self.page_jobs.let_go()

    def close(self) -> None:
        """Stop all its work and drop its photos: its page is gone for good.

        The server may refer to a closed page's session for a while.
        """
        self.training.close()
        self.page_jobs.cancel()
        self.downloads.cancel()
        self.photos.let_go()
        self.rest()
