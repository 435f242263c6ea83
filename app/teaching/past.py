"""The way back from changes: what was before each, as far as memory allows. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gallop import Photo

T = TypeVar("T")

MOST_UNDONE = 30
MOST_HELD = 1200
"""Photos, with those that only an undo brings back: so all that fit on the cards may be replaced, and come back."""


@dataclass
class Past(Generic[T]):
    """The last changes, in words, and what was before each.

    Args:
        photos_of: the photos of a state, which lie in memory as long as it is remembered.
    """

    photos_of: Callable[[T], Iterable[Photo]]
    changes: list[tuple[str, T]] = field(default_factory=list)

    def held(self, now: T) -> dict[str, Photo]:
        """Return the photos of the state that is, and of all before it, by content hash."""
        states = (*(state for _, state in self.changes), now)
        return {photo.sha256: photo for state in states for photo in self.photos_of(state)}

    def note(self, words: str, before: T, now: T) -> None:
        """Remember a change, and forget the oldest ones where there is no room for all."""
        self.changes = [*self.changes, (words, before)][-MOST_UNDONE:]
        while len(self.changes) > 1 and len(self.held(now)) > MOST_HELD:
            del self.changes[0]
