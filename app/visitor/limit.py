"""The limit for "none of these": found while teaching, set by hand, or taken from test photos.

Knows no Streamlit and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.visitor.question import Question
from app.visitor.training import VisitorTraining

if TYPE_CHECKING:
    from gallop import GalLoPClassifier


@dataclass(frozen=True)
class _Own:
    """A limit of the visitor's: of which training, its value, and how many test photos it was taken from, if any."""

    training: int
    value: float
    photos: int


@dataclass
class VisitorLimit:
    """Above it an outlier score says: none of the taught classes."""

    training: VisitorTraining
    _set: _Own | None = None

    @property
    def _mine(self) -> _Own | None:
        return self._set if self._set is not None and self._set.training == self.training.number else None

    @property
    def own(self) -> float | None:
        """The one that the visitor has set since the last training; None where there is none."""
        return self._mine.value if self._mine is not None else None

    @property
    def origin(self) -> str:
        """Where the visitor's own came from, as a model card says it; empty where there is none."""
        if self._mine is None:
            return ""
        photos = self._mine.photos
        return f"taken from {photos} test photos, to keep 95 % of them" if photos else "set by hand"

    @property
    def value(self) -> float | None:
        """The one that counts: the visitor's own, or the one found while teaching."""
        if self.own is not None or self.training.taught is None:
            return self.own
        return self.training.taught.after.calibration_.threshold

    def set_by_hand(self, value: float | None) -> None:
        """Set the visitor's own; None goes back to the one that was found while teaching."""
        self._set = None if value is None else _Own(self.training.number, value, 0)

    def take_from_tests(self, value: float, photos: int) -> None:
        """Let the one that was found on so many test photos be the visitor's own."""
        self._set = _Own(self.training.number, value, photos)

    def own_for(self, question: Question) -> float | None:
        """Return the visitor's own if it decides: outlier scores depend on the class list, so for that alone."""
        taught = self.training.taught
        asked = question.taught and taught is not None and set(question.names) == set(taught.names)
        return self.own if asked else None

    def note(self, question: Question, classifier: GalLoPClassifier) -> str:
        """Return where the limit that decides for a question came from, if that is to be said."""
        if self.own_for(question) is not None:
            return f"this limit was {self.origin.replace('by hand', 'by you')}, on the page Test"
        if question.taught and self.own is not None:
            return "the limit that you set on the page Test is for the taught classes alone, so it does not count here"
        return "" if classifier.calibration_.doubt else classifier.calibration_.note
