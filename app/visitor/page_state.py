"""UI state that survives reruns, one dataclass a page. Knows no Streamlit and no torch.

Only what outlives a change of page or a reload. What a visitor is asked is a ``Remembered`` field. Read on a state it
is the value; read on the class it is its ``Place``, which is what a widget is given: ``CompareState.pin_a`` is where
the first pin is remembered, and the key of its widget follows from that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar, overload

from app.teaching.settings import QUICK, Settings, preset
from gallop.maps.explainer.stands import Stands

T = TypeVar("T")


@dataclass(frozen=True)
class Place(Generic[T]):
    """Where a value is remembered: a field of a page's state, or a part of what that field holds.

    Attributes:
        page: which state of the session.
        part: of a tuple the place in it, of a dataclass the field.
    """

    page: str
    field: str
    part: int | str | None = None

    @property
    def key(self) -> str:
        """Of the widget."""
        return " ".join(str(word) for word in (self.page, self.field, self.part) if word is not None)

    def at(self, part: int | str) -> Place[Any]:
        """Return where a part of it is remembered."""
        return Place(self.page, self.field, part)

    def read(self, session: object) -> T | None:
        """Return what is remembered there; None before its widget was touched."""
        found = getattr(getattr(session, self.page), self.field)
        if isinstance(self.part, int):
            found = found[self.part] if self.part < len(found) else None
        elif self.part is not None:
            found = getattr(found, self.part)
        value: T | None = found
        return value

    def write(self, session: object, value: T) -> None:
        """Remember a value there."""
        state = getattr(session, self.page)
        whole: Any = value
        held = getattr(state, self.field)
        if isinstance(self.part, int):
            whole = (*held[: self.part], value, *held[self.part + 1 :])
        elif self.part is not None:
            whole = replace(held, **{self.part: value})
        setattr(session, self.page, replace(state, **{self.field: whole}))


class Remembered(Generic[T]):
    """A field of the frozen dataclass of a page; ``ExploreState`` is the session's ``explore``."""

    def __init__(self, untouched: T) -> None:
        self._untouched = untouched

    def __set_name__(self, owner: type, name: str) -> None:
        self._place: Place[T] = Place(owner.__name__.removesuffix("State").lower(), name)

    @overload
    def __get__(self, state: None, owner: type) -> Place[T]: ...
    @overload
    def __get__(self, state: object, owner: type) -> T: ...
    def __get__(self, state: object | None, owner: type) -> Place[T] | T:
        if state is None:
            return self._place
        value: T = state.__dict__[self._place.field]
        return value

    def __set__(self, state: object, value: T | Place[T]) -> None:
        # The dataclass takes what the class shows, the place, for the field's default.
        state.__dict__[self._place.field] = self._untouched if value is self._place else value


def said(state: Any) -> Iterator[tuple[Place[Any], Any]]:
    """Yield the places of a state of which it says something, each with its value; of a tuple those of its items."""
    for field in fields(state):
        place, value = getattr(type(state), field.name), getattr(state, field.name)
        if isinstance(value, tuple):
            yield from ((place.at(n), item) for n, item in enumerate(value))
        elif value is not None:
            yield place, value


@dataclass(frozen=True)
class AskedRegion:
    """A region that was clicked: its number in a grid of (rows, columns)."""

    region: int
    grid: tuple[int, int]

    @staticmethod
    def of(sent: Any, grid: tuple[int, int]) -> AskedRegion | None:
        """Return what a browser has sent; None where it is no region: anybody may send anything."""
        there = isinstance(sent, int) and 0 <= sent < grid[0] * grid[1]
        return AskedRegion(sent, grid) if there else None

    def on(self, grid: tuple[int, int]) -> int:
        """Return the region of another tower's grid in which the centre of this one lies."""
        row, column = divmod(self.region, self.grid[1])
        rows, columns = grid
        return (2 * row + 1) * rows // (2 * self.grid[0]) * columns + (2 * column + 1) * columns // (2 * self.grid[1])


@dataclass(frozen=True)
class TeachState:
    """Of the page Teach.

    Attributes:
        way, settings, local_prompts, scales: as the form stands; what a training takes is ``VisitorTraining.settings``.
        tower: whose settings the form shows; None before it was drawn, and where they were changed elsewhere.
        watched: card and content hash of the photo that is watched.
    """

    way: Remembered[str | None] = Remembered(None)
    settings: Remembered[Settings] = Remembered(preset(QUICK))
    local_prompts: Remembered[int | None] = Remembered(None)
    scales: Remembered[tuple[int, ...]] = Remembered(())
    watched: Remembered[str | None] = Remembered(None)
    tower: str | None = None


@dataclass(frozen=True)
class TowersState:
    """Of the pages that ask a tower: which, and which regions of it; what answers is ``VisitorTraining.tower``."""

    chosen: Remembered[str | None] = Remembered(None)
    regions: Remembered[str | None] = Remembered(None)


@dataclass(frozen=True)
class TunedScales:
    """Scales k that were chosen on test photos: of what was taught (``VisitorTraining.version``), and which photos."""

    of: tuple[str, int]
    topk: tuple[int, ...]
    photos: frozenset[str]


@dataclass(frozen=True)
class TestState:
    """Of the page Test.

    Attributes:
        cell, photo: of the confusion matrix, and which of its photos is opened.
        stands, stands_of: where a hand left the explainer, and the content hash of the photo it was on.
        tuned: the scales that were chosen here last.
    """

    cell: Remembered[tuple[int, int] | None] = Remembered(None)
    photo: Remembered[int | None] = Remembered(None)
    stands: Stands = Stands()
    stands_of: str = ""
    tuned: TunedScales | None = None

    def stands_for(self, photo: str) -> Stands:
        """Return what the explainer of a photo is to stand at: of another photo's only how maps are drawn stays."""
        if photo == self.stands_of:
            return self.stands
        return Stands(prompt=self.stands.prompt, all_scales=self.stands.all_scales, style=self.stands.style)


@dataclass(frozen=True)
class PromptsState:
    """Of the page Prompts: which photos its figures are of."""

    pile: Remembered[str | None] = Remembered(None)


@dataclass(frozen=True)
class CompareState:
    """Of the page Compare.

    Attributes:
        run: the one to rename, open or delete.
        pin_a, pin_b: the two beside each other.
        photo, class_name, prompt: of the maps side by side.
        newest: the newest run when the page was drawn last.
        deleted: number and name of the run that can be brought back.
    """

    run: Remembered[int | None] = Remembered(None)
    pin_a: Remembered[int | None] = Remembered(None)
    pin_b: Remembered[int | None] = Remembered(None)
    photo: Remembered[str | None] = Remembered(None)
    class_name: Remembered[str | None] = Remembered(None)
    prompt: Remembered[int | None] = Remembered(None)
    newest: int | None = None
    deleted: tuple[int, str] | None = None


@dataclass(frozen=True)
class ExportState:
    """Of the page Export: which local prompt's map, code of which page, in which language."""

    map: Remembered[int | None] = Remembered(None)
    code_of: Remembered[str | None] = Remembered(None)
    code_as: Remembered[str | None] = Remembered(None)
