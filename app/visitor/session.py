"""What one visitor has, subject by subject. Knows no Streamlit and no torch.

``registry`` keeps these, so that they outlive a reload of the page. The frozen backbone is shared by all visitors, only
prompts are a session's own.
"""

from __future__ import annotations

from typing import Any

from app.visitor.answers import VisitorAnswers
from app.visitor.explore import ExploreState
from app.visitor.limit import VisitorLimit
from app.visitor.page_job import PageJobs
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining


class Session:
    """One visitor's things.

    Attributes:
        page_jobs: work that pages other than Teach have asked for.
        kept: what the widgets of the pages stand at, by key: Streamlit forgets it when another page is shown.
        lost: whether the address led to a session that had ended.
    """

    def __init__(self) -> None:
        self.photos = VisitorPhotos()
        self.training = VisitorTraining(self.photos)
        self.limit = VisitorLimit(self.training)
        self.answers = VisitorAnswers(self.photos, self.training, self.limit)
        self.page_jobs = PageJobs()
        self.kept: dict[str, Any] = {}
        self.lost = False

    @property
    def explore(self) -> ExploreState:
        """What the page Explore stands at."""
        return ExploreState.of(self.kept)

    def close(self) -> None:
        """Stop all its work: its page is gone for good."""
        self.training.close()
        self.page_jobs.cancel()
