"""A visitor's photos: those to look at, those on cards, those of none of the classes. Knows no Streamlit, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.photos.shelf import MAX_PHOTOS, SHOT_SIDE, SHOWN_SIDE, Shelf, Verdicts
from app.teaching.cards import Deck
from gallop import Photo

if TYPE_CHECKING:
    from gallop.features.encoding import MemoryCache

MOST_FEATURES = 512 * 2**20
"""Bytes of one visitor's photos as features: some two hundred photos in the views that a training takes of each."""


@dataclass
class VisitorPhotos:
    """Photos, and what became of the files they came in."""

    shelf: Shelf = field(default_factory=lambda: Shelf(SHOWN_SIDE, MAX_PHOTOS))
    unknown: Shelf = field(default_factory=lambda: Shelf(SHOT_SIDE, MAX_PHOTOS))
    """Photos of none of the classes, to test with."""
    deck: Deck = field(default_factory=Deck)
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    """What became of the files that an uploader took last, by its name."""
    _features: MemoryCache | None = None

    def shots(self) -> dict[str, tuple[Photo, ...]]:
        """Return the photos to learn from, of the classes that take part."""
        return {card.name: card.shots for card in self.deck.in_use}

    def tests(self) -> dict[str, tuple[Photo, ...]]:
        """Return the photos to test with, of the classes that take part."""
        return {card.name: card.tests for card in self.deck.in_use}

    def features(self) -> MemoryCache:
        """Return the features of this visitor's photos; they go when the session goes."""
        from gallop.features.encoding import MemoryCache

        if self._features is None:
            self._features = MemoryCache(MOST_FEATURES)
        return self._features
