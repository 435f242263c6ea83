"""Class cards: the classes to teach, the photos of each, and every change undone. Knows no Streamlit and no torch.

A card is a value and a deck is a tuple of them, so a change is a new tuple, and undoing is going back to the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from app.jobs import PlainError
from app.photos.archives import Member
from app.photos.shelf import Verdicts, alike, free_name, in_memory_once, outline, small
from app.text import joined
from gallop import Photo
from gallop.data.project_file import MOST_ALTOGETHER, MOST_CARDS, MOST_PHOTOS, SHOT_SIDE, ProjectClass
from gallop.errors import GallopError
from gallop.names.class_names import clean_names
from gallop.wording import counted


def among_photos(name: str, *, tests: bool) -> str:
    return f"among the {'test ' if tests else ''}photos of {name!r}"


def here_twice(photo: str, there: str, *, same_class: bool, same_pile: bool) -> str:
    """Return why the same picture, which is ``there``, is not added again."""
    if not same_class:
        return f"{photo} is already {there}. A photo can have only one class."
    if not same_pile:
        return f"{photo} is already {there}. A photo cannot be used for both training and testing."
    return f"{photo} is already here. The same picture twice adds nothing."


MOST_UNDONE = 30
# Photos on cards and in the undo history, so that all photos of the cards can be replaced and restored.
MOST_HELD = 3200


# Training photos, and test photos, which are never used for training.
Pile = Literal["shots", "tests"]
PILES: tuple[Pile, ...] = ("shots", "tests")


class CardProblem(PlainError):
    """A change to the cards that is not possible."""


@dataclass(frozen=True)
class Card(ProjectClass):
    """One class, with a number that stays. ``enabled`` is whether it takes part in the next training."""

    id: int = 0

    def pile(self, pile: Pile) -> tuple[Photo, ...]:
        return self.shots if pile == "shots" else self.tests

    def with_pile(self, pile: Pile, photos: tuple[Photo, ...]) -> Card:
        return replace(self, shots=photos) if pile == "shots" else replace(self, tests=photos)

    def without(self, pile: Pile, gone: Photo) -> Card:
        return self.with_pile(pile, tuple(photo for photo in self.pile(pile) if photo.sha256 != gone.sha256))


@dataclass
class Deck:
    """The cards of one visitor, and their undo history.

    A change of a deleted card does nothing: a second click, or another tab, may be late.
    """

    cards: tuple[Card, ...] = ()
    # The number of changes and undos, which identifies a state of the cards.
    changes: int = 0
    # Why a photo exceeds the visitor's memory limit, as a sentence; empty where it does not.
    fits: Callable[[Photo], str] = lambda photo: ""
    # The last changes, in words, and the cards before each.
    past: list[tuple[str, tuple[Card, ...]]] = field(default_factory=list)
    _outlines: dict[str, int] = field(default_factory=dict)
    _next_id: int = 1

    def get(self, card_id: int) -> Card | None:
        return next((card for card in self.cards if card.id == card_id), None)

    def find(self, name: str) -> Card | None:
        """Return the card of a class, ignoring case."""
        return next((card for card in self.cards if card.name.casefold() == name.casefold()), None)

    @property
    def in_use(self) -> tuple[Card, ...]:
        return tuple(card for card in self.cards if card.enabled)

    # Changing --------------------------------------------------------------------------------------------------------

    def add(self, *names: str) -> Card:
        """Add a card for each name, as one change. Return the last one.

        Raises:
            ClassNameError: a name that cannot be used, or is there already; those before it are added.
            CardProblem: there is no room for another; those before it are added.
        """
        before, count = self.cards, len(self.cards)
        try:
            for name in names:
                self.cards = (*self.cards, self._new(name))
        finally:
            added = [card.name for card in self.cards[count:]]
            self._note(f"added the class{'es' * (len(added) > 1)} {joined(added)}" if added else "", before)
        return self.cards[-1]

    def rename(self, card_id: int, name: str) -> None:
        """Rename a card; photos stay. Raises ClassNameError as ``add``."""
        old = self.get(card_id)
        cleaned = clean_names([*(card.name for card in self.cards if card.id != card_id), name])[-1]
        if old is not None and cleaned != old.name:
            self._change(f"renamed {old.name} to {cleaned}", self._with(replace(old, name=cleaned)))

    def enable(self, enabled: bool, *card_ids: int) -> None:
        turned = [card.name for card in self.cards if card.id in card_ids and card.enabled != enabled]
        cards = tuple(replace(card, enabled=enabled) if card.id in card_ids else card for card in self.cards)
        self._change(f"turned {joined(turned)} {'on' if enabled else 'off'}" if turned else "", cards)

    def delete(self, *card_ids: int) -> None:
        gone = [card.name for card in self.cards if card.id in card_ids]
        left = tuple(card for card in self.cards if card.id not in card_ids)
        self._change(f"deleted {joined(gone)}" if gone else "", left)

    def add_photos(self, members: Iterable[Member | str], pile: Pile | None = None) -> Verdicts:
        """Check, shrink and add photos, each to the card of its class, which is created if missing.

        Args:
            members: as ``archives.sorted_out`` gives them; sentences are passed on as refusals.
            pile: where all of them go; None asks the folder each lay in.
        """
        verdicts, before = Verdicts(), self.cards
        for member in members:
            verdicts += Verdicts(refused=(member,)) if isinstance(member, str) else self._add(member, pile)
        where = {card.name for card in self.cards if card not in before}
        self._note(f"added {counted(len(verdicts.taken), 'photo')} to {joined(sorted(where))}" if where else "", before)
        return replace(verdicts, left_out=tuple(dict.fromkeys(verdicts.left_out)))

    def lay_out(self, classes: Iterable[ProjectClass], words: str) -> None:
        """Replace all cards by those of these classes, as one change, which ``words`` describe."""
        laid = tuple(
            Card(
                each.name,
                each.enabled,
                tuple(map(in_memory_once, each.shots)),
                tuple(map(in_memory_once, each.tests)),
                id=self._next_id + n,
            )
            for n, each in enumerate(classes)
        )
        self._next_id += len(laid)
        self._change(words, laid)

    def relabel(self, photo: Photo, name: str, pile: Pile | None = None) -> str:
        """Move a photo to a class, which is created if missing; return what was done, as a sentence.

        Args:
            pile: None leaves it on its pile; a photo that is on no card becomes a training photo.

        Raises:
            CardProblem: it is there already, or there is no room; nothing has changed then.
            ClassNameError: as ``add``.
        """
        before, picture = self.cards, small(photo, SHOT_SIDE)
        try:
            card, where = self._card_of(name), self.place_of(picture.sha256)
            pile = pile or (where[1] if where is not None else "shots")
            if where == (card, pile):
                raise CardProblem(f"{photo.name} is already {among_photos(card.name, tests=pile == 'tests')}.")
            if where is not None:
                self.cards = self._with(where[0].without(where[1], picture))
            self._accept(self._card_of(name), pile, picture)
        except GallopError:
            self.cards = before
            raise
        self._note(f"moved {photo.name} to {'the tests of ' * (pile == 'tests')}{card.name}", before)
        if pile == "tests":
            return f"{photo.name} is now a test photo of {card.name}."
        return f"{photo.name} is now a training photo of {card.name}. Train again to learn from it."

    def place_of(self, digest: str) -> tuple[Card, Pile] | None:
        """Return card and pile of a photo, by its content hash on cards; None where it is on no card."""
        return next(((card, pile) for card, pile, photo in self.photos() if photo.sha256 == digest), None)

    def remove(self, digest: str) -> None:
        """Remove a photo, by its content hash on cards."""
        for card, pile, photo in self.photos():
            if photo.sha256 == digest:
                self._change(f"removed {photo.name} from {card.name}", self._with(card.without(pile, photo)))

    @contextmanager
    def one_change(self, words: str) -> Iterator[None]:
        """Make what is changed inside one change, which ``words`` describe."""
        before, past, self.past = self.cards, self.past, []
        try:
            yield
        finally:
            self.past = past
            self._note(words, before)

    # Undoing ---------------------------------------------------------------------------------------------------------

    @property
    def last_change(self) -> str | None:
        return self.past[-1][0] if self.past else None

    def undo(self) -> None:
        """Undo the last change, if there is one: a second click may be late."""
        if self.past:
            _, self.cards = self.past.pop()
            self.changes += 1

    def held(self) -> Collection[Photo]:
        """Return the photos on the cards and those that an undo brings back, each once."""
        states = (*(cards for _, cards in self.past), self.cards)
        return {photo.sha256: photo for cards in states for card in cards for photo in card.all}.values()

    def _change(self, words: str, cards: tuple[Card, ...]) -> None:
        before, self.cards = self.cards, cards
        self._note(words, before)

    def _note(self, words: str, before: tuple[Card, ...]) -> None:
        if before != self.cards:
            self.past = [*self.past, (words, before)][-MOST_UNDONE:]
            while len(self.past) > 1 and len(self.held()) > MOST_HELD:
                del self.past[0]
            self.changes += 1

    def _with(self, card: Card) -> tuple[Card, ...]:
        return tuple(card if old.id == card.id else old for old in self.cards)

    # Checking --------------------------------------------------------------------------------------------------------

    def _new(self, name: str) -> Card:
        cleaned = clean_names([*(card.name for card in self.cards), name])[-1]
        if len(self.cards) >= MOST_CARDS:
            raise CardProblem(f"The class {cleaned} cannot be added: the limit is {MOST_CARDS} classes.")
        self._next_id += 1
        return Card(cleaned, id=self._next_id - 1)

    def _add(self, member: Member, pile: Pile | None) -> Verdicts:
        place, before = member.place, self.cards
        full = len(self.cards) >= MOST_CARDS or sum(1 for _ in self.photos()) >= MOST_ALTOGETHER
        if full and self.find(place.class_name) is None:
            return Verdicts(left_out=(place.class_name,))  # reported once for the class, not for each photo
        pile = pile or ("tests" if place.test else "shots")
        try:
            # Before it is decoded: of thousands that are dropped at once, nearly all have no place.
            if problem := self._no_place(place.name, self.find(place.class_name), pile):
                raise CardProblem(problem)
            photo = small(member.source, SHOT_SIDE, name=place.name)
            flag = self._accept(self._card_of(place.class_name), pile, photo)
        except GallopError as error:
            self.cards = before  # no card for a class of which nothing was taken
            return Verdicts(refused=(str(error) if place.name in str(error) else f"{place.name}: {error}",))
        return Verdicts((photo,), (), (flag,) if flag else ())

    def _no_place(self, name: str, card: Card | None, pile: Pile) -> str:
        if card is not None and len(card.pile(pile)) >= MOST_PHOTOS:
            return f"{name} does not fit: the limit here is {MOST_PHOTOS} photos. Remove some first."
        full = sum(1 for _ in self.photos()) >= MOST_ALTOGETHER
        return f"{name} does not fit: the limit for all classes together is {MOST_ALTOGETHER} photos." if full else ""

    def _card_of(self, name: str) -> Card:
        card = self.find(name)
        if card is None:
            card = self._new(name)
            self.cards = (*self.cards, card)
        return card

    def _accept(self, card: Card, pile: Pile, photo: Photo) -> str:
        """Put a photo on a pile; return a warning where it looks like another photo, else an empty text.

        Raises:
            CardProblem: it is there already, or there is no room.
        """
        if (where := self.place_of(photo.sha256)) is not None:
            there, same = where
            raise CardProblem(
                here_twice(
                    photo.name,
                    among_photos(there.name, tests=same == "tests"),
                    same_class=there.id == card.id,
                    same_pile=same == pile,
                )
            )
        if problem := self._no_place(photo.name, card, pile) or self.fits(photo):
            raise CardProblem(problem)
        flag = self._lookalike(photo, card, pile)
        photo = Photo(photo.image, free_name(photo.name, {other.name for other in card.pile(pile)}), photo.sha256)
        self.cards = self._with(card.with_pile(pile, (*card.pile(pile), photo)))
        return flag

    def photos(self) -> Iterator[tuple[Card, Pile, Photo]]:
        """Return all photos, each with its card and its pile."""
        return ((card, pile, photo) for card in self.cards for pile in PILES for photo in card.pile(pile))

    def _lookalike(self, photo: Photo, card: Card, pile: Pile) -> str:
        """Return a warning about a near-duplicate where it does harm: in another class or pile."""
        mine = outline(photo)
        for other, there, twin in self.photos():
            if twin.sha256 not in self._outlines:
                self._outlines[twin.sha256] = outline(twin)
            if (other.id, there) != (card.id, pile) and alike(self._outlines[twin.sha256], mine):
                return (
                    f"{photo.name} looks like {twin.name} {among_photos(other.name, tests=there == 'tests')} and may "
                    "be a copy of it. It was added. If they are the same picture, remove one of them."
                )
        return ""
