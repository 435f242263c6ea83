"""What one visitor has, subject by subject. Knows no Streamlit and no torch.

``registry`` keeps these, so that they outlive a reload of the page. The frozen backbone is shared by all visitors, only
prompts are a session's own.
"""

from __future__ import annotations

from app.projects.content import Project
from app.visitor.answers import VisitorAnswers
from app.visitor.explore import ExploreState
from app.visitor.limit import VisitorLimit
from app.visitor.notices import Notice, Where
from app.visitor.page_job import PageJobs
from app.visitor.page_state import (
    AskedRegion,
    CompareState,
    ExportState,
    PromptsState,
    TeachState,
    TestState,
    TowersState,
)
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining


class Session:
    """One visitor's things.

    Args:
        browser: its number; the sessions of one browser take turns with those of others as one visitor.

    Attributes:
        page_jobs: work that pages other than Teach have asked for.
        downloads: towers that are fetched for this visitor.
        explore, teach, test, prompts, compare, export, towers: what the pages stand at.
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
        self.towers = TowersState()
        self.region: AskedRegion | None = None
        self.region_of = ""
        self.notices: dict[Where, Notice] = {}
        self.lost = False
        self.asked: tuple[Project, str] | None = None

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
