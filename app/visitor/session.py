"""What one visitor has, subject by subject. Knows no Streamlit and no torch.

``registry`` keeps these, so that they outlive a reload of the page. The frozen backbone is shared by all visitors, only
prompts are a session's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

from app.jobs import Job, JobManager, PlainError, Snapshot, State, Task
from app.projects import Project
from app.visitor.answers import VisitorAnswers, VisitorLimit
from app.visitor.page_state import (
    AskedRegion,
    BackbonesState,
    CompareState,
    ExploreState,
    ExportState,
    PromptsState,
    TeachState,
    TestState,
)
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop.errors import GallopError


class Where(Enum):
    CARDS = auto()
    CORRECTION = auto()
    OPENED = auto()
    NEXT = auto()
    RUNS = auto()
    MODELS = auto()
    BACKBONES = auto()
    PROJECT = auto()


@dataclass(frozen=True)
class Notice:
    kind: Literal["success", "info", "error"]
    words: str


@dataclass(frozen=True)
class PageJob:
    """``name`` is what its result is found under; ``words`` tell what is being done."""

    name: str
    words: str
    job: Job


@dataclass
class PageJobs:
    """Those of one visitor: the one that is under way, and what the last one of each name left."""

    # Whose turn its jobs take.
    visitor: str = ""
    running: PageJob | None = None
    _ended: dict[str, Snapshot] = field(default_factory=dict)

    def start(self, manager: JobManager, task: Task, name: str, words: str) -> None:
        """Queue one; what the last one of this name left is forgotten.

        Raises:
            PlainError: another one is under way, or too many jobs are waiting.
        """
        if self.running is not None:
            raise PlainError(f"{self.running.words} is still in progress. Wait for it to end, or cancel it.")
        self.running = PageJob(name, words, manager.submit(task, visitor=self.visitor))
        self._ended.pop(name, None)

    def settle(self) -> None:
        """Take over what the one under way has left, once it is over."""
        if self.running is None:
            return
        snapshot = self.running.job.snapshot()
        if not snapshot.active:
            self._ended[self.running.name], self.running = snapshot, None

    def result(self, name: str) -> Any:
        """Return what the last one of this name made; None where there is nothing."""
        snapshot = self._ended.get(name)
        return None if snapshot is None else snapshot.result

    def take(self, name: str) -> Any:
        """Return what the last one of this name made, once; what it left is forgotten."""
        snapshot = self._ended.pop(name, None)
        return None if snapshot is None else snapshot.result

    def problem(self, name: str) -> str:
        """Return why the last one of this name left nothing, as a sentence; empty where it ended well."""
        snapshot = self._ended.get(name)
        if snapshot is not None and snapshot.state is State.FAILED:
            return snapshot.error
        return "Cancelled." if snapshot is not None and snapshot.state is State.CANCELLED else ""

    def let_go(self) -> None:
        self._ended.clear()

    def cancel(self) -> None:
        """Ask the one under way, if there is one, to stop."""
        if self.running is not None:
            self.running.job.cancel()


class Session:
    """One visitor's things.

    Args:
        browser: its number; the sessions of one browser take turns with those of others as one visitor.

    Attributes:
        page_jobs: work that pages other than Teach have asked for.
        downloads: backbones that are fetched for this visitor.
        explore, teach, test, prompts, compare, export, backbones: what the pages stand at.
        region, region_of: the one that was asked last on a map that stands alone, and the content hash of its photo.
        notices: what is to be told once.
        lost: whether the address led to a session that had ended.
        asked: a project that was read and the name of its file, while it is asked what to do with what is here.
    """

    def __init__(self, browser: str = "") -> None:
        self.photos = VisitorPhotos()
        self.training = VisitorTraining(self.photos, browser)
        self.limit = VisitorLimit(self.training)
        self.answers = VisitorAnswers(self.photos, self.training, self.limit)
        self.page_jobs, self.downloads = PageJobs(browser), PageJobs(browser)
        self.explore, self.teach, self.test, self.prompts = ExploreState(), TeachState(), TestState(), PromptsState()
        self.compare, self.export = CompareState(), ExportState()
        self.backbones = BackbonesState()
        self.region: AskedRegion | None = None
        self.region_of = ""
        self.notices: dict[Where, Notice] = {}
        self.lost = False
        self.asked: tuple[Project, str] | None = None

    def tell(self, where: Where, words: str, kind: Literal["success", "info", "error"] = "success") -> None:
        """Let the next page that has the place show a sentence, once."""
        self.notices[where] = Notice(kind, words)

    @contextmanager
    def telling(self, where: Where, kind: Literal["info", "error"] = "error") -> Iterator[None]:
        """Tell what goes wrong inside, if a person can be told of it; what follows inside is left out then."""
        try:
            yield
        except GallopError as error:
            self.tell(where, str(error), kind)

    @property
    def has_anything(self) -> bool:
        """Whether its visitor would miss more than where the pages stand."""
        photos, working = self.photos, self.page_jobs.running or self.downloads.running
        return bool(
            photos.deck.cards or photos.shelf.photos or photos.unknown.photos or self.training.taught or working
        )

    def rest(self) -> None:
        """Let go of what can be worked out again: nobody has looked for a while. Photos and what was taught stay."""
        self.answers = VisitorAnswers(self.photos, self.training, self.limit)
        self.photos.forget_features()
        self.page_jobs.let_go()

    def close(self) -> None:
        """Stop all its work and let go of its photos: its page is gone for good.

        What the server keeps for a page that was closed may lead here for a while.
        """
        self.training.close()
        self.page_jobs.cancel()
        self.downloads.cancel()
        self.photos.let_go()
        self.rest()
