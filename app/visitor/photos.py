"""A visitor's photos: for Explore, on cards, of none of the classes, and the pile. Knows no Streamlit, no torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from app.library import MemoryCache
from app.photos.pile import PhotoPile
from app.photos.sample_answers import sample_answers
from app.photos.shelf import (
    Shelf,
    Verdicts,
    allowed,
    no_room,
    size_of,
    small,
)
from app.teaching.cards import Card, CardProblem, Deck, Pile
from app.text import shorten
from gallop import Photo
from gallop.data.project_file import MOST_ON_SHELF, SHOT_SIDE, SHOWN_SIDE
from gallop.errors import GallopError
from gallop.wording import counted

T = TypeVar("T")
# Photos in which a region is looked for.
MOST = 200


class Bounded(OrderedDict[Hashable, Any]):
    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def get_or(self, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self:
            self[key] = compute()
        self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)
        return cast(T, self[key])


@dataclass
class VisitorPhotos:
    """Photos, and the verdicts on the files that they came in."""

    shelf: Shelf = field(default_factory=lambda: Shelf(SHOWN_SIDE, MOST_ON_SHELF))
    # Photos of none of the classes, used for testing.
    unknown: Shelf = field(default_factory=lambda: Shelf(SHOT_SIDE, MOST_ON_SHELF))
    deck: Deck = field(default_factory=Deck)
    # The name of the project that was opened; empty for none.
    project: str = ""
    # Photos without labels, to be sorted by a model.
    pile: PhotoPile = field(default_factory=PhotoPile)
    # Names that the backbone suggests for photos, by content hash.
    suggested: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # The verdicts on the last files of each uploader, by its name.
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    # Content hashes of a test photo and a training photo that look the same, both of which the visitor keeps.
    accepted_twins: set[tuple[str, str]] = field(default_factory=set)
    # Content hash and class of photos whose label was doubted and confirmed.
    confirmed_labels: set[tuple[str, str]] = field(default_factory=set)
    # Photos that were of none of the classes before they were moved to one.
    _called_back: dict[str, Photo] = field(default_factory=dict)
    _as_on_card: Bounded = field(default_factory=lambda: Bounded(4 * MOST_ON_SHELF))
    _features: MemoryCache | None = None
    # Bytes that are free at least: removals since the last count are not included.
    _left: int = 0
    # The change of the cards at which they were counted.
    _counted: int = -1

    def __post_init__(self) -> None:
        self.shelf.fits = self.unknown.fits = self.deck.fits = self._fits

    def _fits(self, photo: Photo) -> str:
        size = size_of(photo)
        if self._counted != self.deck.changes or size > self._left:
            self._left, self._counted = allowed() - self.size, self.deck.changes
        if size > self._left:
            self._left = self.make_room(allowed() - size) + size
        problem = no_room(photo.name, size, allowed() - self._left)
        self._left -= 0 if problem else size
        return problem

    def make_room(self, most: int) -> int:
        """Drop photos that only an undo brings back where all take more bytes; return how many bytes are left."""
        if self.size > most:
            self.deck.past.clear()
            self._called_back.clear()
        return most - self.size

    @property
    def uploaded(self) -> dict[str, Photo]:
        """Return the photos that the visitor has uploaded for Explore, by content hash: all but the samples."""
        samples = sample_answers()
        return {digest: photo for digest, photo in self.shelf.photos.items() if digest not in samples}

    @property
    def all(self) -> dict[str, Photo]:
        """Return the visitor's photos by content hash: the uploaded ones, then those on the cards."""
        return self.uploaded | {photo.sha256: photo for card in self.deck.cards for photo in (*card.tests, *card.shots)}

    def others(self, photo: Photo) -> list[Photo]:
        """Return all but one, in which a region is looked for; of more than ``MOST`` so many, of all cards alike."""
        every = [other for other in self.all.values() if other is not photo]
        count = min(len(every), MOST)
        return [every[i * len(every) // count] for i in range(count)]

    @property
    def names(self) -> dict[str, str]:
        """Return their names: "test/ant/1.jpg" on a card, since files of all classes often have the same name."""
        folders = {"shots": "train", "tests": "test"}
        on_cards = {p.sha256: f"{folders[pile]}/{card.name}/{p.name}" for card, pile, p in self.deck.photos()}
        return {photo.sha256: photo.name for photo in self.shelf.photos.values()} | on_cards

    @property
    def project_name(self) -> str:
        """Return the name of the project that was opened; of another one the names of its classes."""
        return self.project or " ".join(["project", *(shorten(card.name, 20) for card in self.deck.cards)])

    def shown(self, chosen: str | None) -> Photo | None:
        """Return the photo to show: the chosen one, or the newest of the visitor, or one of the cards; else None.

        Args:
            chosen: content hash.
        """
        if chosen in self.shelf.photos:
            return self.shelf.photos[chosen]
        cards = {p.sha256: p for pile in (self.shots(), self.tests()) for some in pile.values() for p in some}
        return cards.get(chosen or "") or next(reversed((self.uploaded or cards).values()), None)

    def as_on_card(self, photo: Photo) -> str:
        """Return the content hash of a photo on a card, where it is stored smaller."""
        return self._as_on_card.get_or(photo.sha256, lambda: small(photo, SHOT_SIDE).sha256)

    def place_of(self, photo: Photo) -> tuple[Card, Pile] | None:
        """Return the card and the pile where a photo is; None where it is on none."""
        return self.deck.place_of(self.as_on_card(photo))

    def set_aside(self, photo: Photo) -> str:
        """Move a photo to those of none of the classes; return what was done, as a sentence.

        Raises:
            CardProblem: there is no room for it.
        """
        picture = small(photo, SHOT_SIDE)
        if picture.sha256 not in self.unknown.photos and (refused := self.unknown.add([picture]).refused):
            raise CardProblem(refused[0])
        self.deck.remove(picture.sha256)
        return f"{photo.name} now belongs to none of the classes and is used only for testing."

    def relabel(self, photo: Photo, name: str, pile: Pile | None = None) -> str:
        """Move a photo to a class, as ``Deck.relabel``, and out of those of none of the classes."""
        place = self.place_of(photo)
        words = self.deck.relabel(photo, name, pile)
        if place is not None and (place[1], pile) == ("tests", "shots"):
            words += " After that it can no longer be used for testing."
        if (unknown := self.unknown.photos.pop(self.as_on_card(photo), None)) is not None:
            self._called_back[unknown.sha256] = unknown
        return words

    def change(self, photos: Sequence[Photo], act: Callable[[Photo], str]) -> str:
        """Do the same to several photos, as one change; return what was done, as a sentence.

        Raises:
            GallopError: as ``act``; nothing has changed then.
        """
        if len(photos) == 1:
            return act(photos[0])
        before = self.deck.changes
        try:
            with self.deck.one_change(f"changed {counted(len(photos), 'photo')}"):
                words = [act(photo) for photo in photos]
        except GallopError:
            if self.deck.changes != before:
                self.undo()
            raise
        return f"{words[0]} The same was done with {len(photos) - 1} other photo{'s' * (len(photos) > 2)}."

    def undo(self, change: int | None = None) -> None:
        """Undo the last change of the cards: a photo is on a card or of none of the classes, as before.

        Args:
            change: the number of the change that a button undoes: a second click undoes nothing more.
        """
        if change not in (None, self.deck.changes):
            return
        before = self._on_cards()
        self.deck.undo()
        after = self._on_cards()
        for digest in after - before:
            self.unknown.photos.pop(digest, None)
        for digest in before - after:
            if digest in self._called_back:
                self.unknown.photos[digest] = self._called_back.pop(digest)

    def _on_cards(self) -> set[str]:
        return {photo.sha256 for card in self.deck.cards for photo in card.all}

    def shots(self) -> dict[str, tuple[Photo, ...]]:
        """Return the training photos of the classes that take part."""
        return {card.name: card.shots for card in self.deck.in_use}

    def tests(self) -> dict[str, tuple[Photo, ...]]:
        """Return the test photos of the classes that take part."""
        return {card.name: card.tests for card in self.deck.in_use}

    @property
    def size(self) -> int:
        """Return the bytes that the photos take in memory, with those that an undo brings back."""
        shelves = (*self.shelf.photos.values(), *self.unknown.photos.values(), *self._called_back.values())
        every = {photo.sha256: photo for photo in (*self.deck.held(), *shelves)}
        return sum(map(size_of, every.values())) + self.pile.size

    def let_go(self) -> None:
        self.pile = PhotoPile()
        for shelf in (self.shelf, self.unknown):
            shelf.photos.clear()
        self.deck.lay_out((), "left")
        self.deck.past.clear()
        self._called_back.clear()

    def features(self) -> MemoryCache:
        """Return the cache of features of this visitor's photos; it ends with the session."""
        from gallop.features.encoding import MemoryCache

        if self._features is None:
            self._features = MemoryCache(2 * allowed() // 3)
        return self._features
