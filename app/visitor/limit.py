"""The limit for "none of these": found while teaching, or set by hand. Knows no Streamlit and no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.visitor.question import Question
from app.visitor.training import VisitorTraining

if TYPE_CHECKING:
    from gallop import GalLoPClassifier


@dataclass
class VisitorLimit:
    """Above it an outlier score says: none of the taught classes."""

    training: VisitorTraining
    _set: tuple[int, float] | None = None
    """Of which training, and the limit that was set by hand."""
    _ways_back: int = 0

    @property
    def own(self) -> float | None:
        """The one that was set by hand since the last training; None where there is none."""
        return self._set[1] if self._set is not None and self._set[0] == self.training.number else None

    @property
    def value(self) -> float | None:
        """The one that counts: set by hand, or found while teaching."""
        if self.own is not None or self.training.taught is None:
            return self.own
        return self.training.taught.after.calibration_.threshold

    def set_by_hand(self, value: float | None) -> None:
        """Set it by hand; None goes back to the one that was found while teaching."""
        self._set = None if value is None else (self.training.number, value)
        self._ways_back += value is None

    @property
    def key(self) -> str:
        """Another one whenever the limit was set by other means than its slider, which then begins anew."""
        return f"limit {self.training.number} {self._ways_back}"

    def own_for(self, question: Question) -> float | None:
        """Return the one set by hand if it decides: outlier scores depend on the class list, so for that alone."""
        taught = self.training.taught
        asked = question.taught and taught is not None and set(question.names) == set(taught.names)
        return self.own if asked else None

    def note(self, question: Question, classifier: GalLoPClassifier) -> str:
        """Return what is to be said about the limit that decides for a question; empty where it is sound."""
        if self.own_for(question) is not None:
            return "this limit was set by you, on the page Test"
        if question.taught and self.own is not None:
            return "the limit that you set on the page Test is for the taught classes alone, so it does not count here"
        return classifier.calibration_.note
