"""UI state that survives reruns, one dataclass a page, and what is asked on Explore. Knows no Streamlit and no torch.

Only what outlives a change of page or a reload. What a visitor is asked is a ``Remembered`` field. Read on a state it
is the value; read on the class it is its ``Place``, which is what a widget is given: ``CompareState.pin_a`` is where
the first pin is remembered, and the key of its widget follows from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar, overload

from app.photos.sample_answers import sample_answers
from app.teaching.training import QUICK, Settings, preset
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop import parse_names
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.look import Style
from gallop.names.templates import parse_templates

DEFAULT_NAMES = ("cat", "dog", "cup of coffee", "rocket", "person")
# What every prompt says before anything is learned.
DEFAULT_TEMPLATES = ("A photo of a {}",)


@dataclass(frozen=True)
class Question:
    """What is asked about a photo: which classes, and which prompts answer.

    Attributes:
        taught: the prompts that were taught answer; otherwise it is zero-shot.
        templates: of zero-shot.
        like_taught: zero-shot with as many prompts as were taught, to compare prompt with prompt.
    """

    names: tuple[str, ...]
    taught: bool = False
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    like_taught: bool = False


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
        return " ".join(str(word) for word in (self.page, self.field, self.part) if word is not None)

    def at(self, part: int | str) -> Place[Any]:
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
        """Return the region of another backbone's grid in which the centre of this one lies."""
        row, column = divmod(self.region, self.grid[1])
        rows, columns = grid
        return (2 * row + 1) * rows // (2 * self.grid[0]) * columns + (2 * column + 1) * columns // (2 * self.grid[1])


@dataclass(frozen=True)
class TeachState:
    """Of the page Teach.

    Attributes:
        way, settings, local_prompts, scales: as the form stands; what a training takes is ``VisitorTraining.settings``.
        backbone_name: whose settings the form shows; None before it was drawn, and where they were changed elsewhere.
        watched: card and content hash of the photo that is watched.
    """

    way: Remembered[str | None] = Remembered(None)
    settings: Remembered[Settings] = Remembered(preset(QUICK))
    local_prompts: Remembered[int | None] = Remembered(None)
    scales: Remembered[tuple[int, ...]] = Remembered(())
    watched: Remembered[str | None] = Remembered(None)
    backbone_name: str | None = None


@dataclass(frozen=True)
class BackbonesState:
    """Of the pages that ask a backbone: which, and which of its regions; ``VisitorTraining.backbone_name`` answers."""

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
    stands: ExplainerState = ExplainerState()
    stands_of: str = ""
    tuned: TunedScales | None = None

    def stands_for(self, photo: str) -> ExplainerState:
        """Return what the explainer of a photo is to stand at: of another photo's only how maps are drawn stays."""
        if photo == self.stands_of:
            return self.stands
        return ExplainerState(prompt=self.stands.prompt, all_scales=self.stands.all_scales, style=self.stands.style)


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


UNTAUGHT, TAUGHT = "Zero-shot", "Taught"


@dataclass(frozen=True)
class ExploreState:
    """As its widgets stand; None where one was not touched yet.

    Attributes:
        source: where photos come from.
        photo: content hash.
        names: as they are typed; None follows the photo shown.
        own_names: those that were typed, while a sample is shown with its own.
        templates: as they are typed.
        prompts: ``UNTAUGHT`` or ``TAUGHT``: which answer.
        class_name, against: the class explained, the most probable one if None, and the one it is compared with.
        before: whether it is compared with itself before teaching.
        prompt, all_scales: the local prompt whose map is shown, counted from 0; or all.
        region, region_of: the region that is asked, and the content hash of the photo that it is on.
        drawn: one of ``DRAWN``.
        opacity, hidden: in percent; regions whose score is below ``hidden`` are not drawn.
        scales: k of the local prompts.
        finer: whether maps of finer regions follow the answer.
    """

    source: Remembered[str | None] = Remembered(None)
    photo: Remembered[str | None] = Remembered(None)
    names: Remembered[str | None] = Remembered(None)
    own_names: Remembered[str | None] = Remembered(None)
    templates: Remembered[str | None] = Remembered(None)
    prompts: Remembered[str | None] = Remembered(None)
    class_name: Remembered[str | None] = Remembered(None)
    against: Remembered[str | None] = Remembered(None)
    before: Remembered[bool | None] = Remembered(None)
    prompt: Remembered[int | None] = Remembered(None)
    all_scales: Remembered[bool | None] = Remembered(None)
    region: Remembered[AskedRegion | None] = Remembered(None)
    region_of: Remembered[str | None] = Remembered(None)
    colours: Remembered[str | None] = Remembered(None)
    drawn: Remembered[str | None] = Remembered(None)
    opacity: Remembered[int | None] = Remembered(None)
    hidden: Remembered[int | None] = Remembered(None)
    scales: Remembered[tuple[int, ...]] = Remembered(())
    finer: Remembered[bool | None] = Remembered(None)

    def question(self, training: VisitorTraining) -> Question:
        """Return what is asked: the class list and templates, zero-shot or taught.

        Raises:
            ClassNameError, TemplateError: what is typed there cannot be used.
        """
        names = parse_names(self.names_on(training.photos))
        return Question(
            names,
            self.prompts == TAUGHT and training.knows(names),
            parse_templates("\n".join(DEFAULT_TEMPLATES) if self.templates is None else self.templates),
        )

    def names_on(self, photos: VisitorPhotos) -> str:
        """Return the class names, one on each line: as they are typed, or those that go with the photo shown.

        A sample brings its own; a photo of the visitor's the names of the cards, or none: nobody has said yet what it
        might be.
        """
        if self.names is not None:
            return self.names
        shown, samples = photos.shown(self.photo), sample_answers()
        if shown is not None and shown.sha256 not in samples:
            return "\n".join(card.name for card in photos.deck.cards)
        sample = next(iter(samples.values()), None) if shown is None else samples[shown.sha256]
        return "\n".join(DEFAULT_NAMES if sample is None else sample.class_names)

    def looking_at(self, photo: str) -> ExploreState:
        """Return it with another photo shown, by content hash: a sample comes with its own names, which nothing was
        taught; the visitor's photos with those that were typed.
        """
        typed = self.own_names if self.names is None else self.names
        if photo not in sample_answers():
            return replace(self, photo=photo, names=typed)
        return replace(self, photo=photo, names=None, own_names=typed)

    def scales_of(self, usual: Sequence[int]) -> tuple[int, ...]:
        """Return the k of each local prompt: as its slider stands, or as ``usual``."""
        return (*self.scales, *usual[len(self.scales) :])[: len(usual)]

    def stands(self, photo: str, grid: tuple[int, int]) -> ExplainerState:
        """Return what the explainer of a photo, by its content hash, is to stand at with this grid of regions."""
        return ExplainerState(
            self.class_name,
            self.against,
            bool(self.before),
            self.prompt or 0,
            self.scales,
            self.region.on(grid) if self.region is not None and self.region_of == photo else None,
            bool(self.all_scales),
            self.style,
        )

    def told(self, stands: ExplainerState, photo: str, grid: tuple[int, int]) -> ExploreState:
        """Return it as a hand left the explainer of a photo; what nobody touched stays untouched."""
        return replace(
            self,
            class_name=stands.class_name,
            against=stands.against,
            before=stands.before,
            prompt=stands.prompt,
            all_scales=stands.all_scales,
            region=AskedRegion.of(stands.region, grid),
            region_of=photo,
            colours=_touched(self.colours, stands.style.colours, Style.colours),
            drawn=_touched(self.drawn, stands.style.drawn, Style.drawn),
            opacity=_touched(self.opacity, round(100 * stands.style.opacity), round(100 * Style.opacity)),
            hidden=_touched(self.hidden, round(100 * stands.style.threshold), 0),
            scales=stands.topk,
        )

    @property
    def style(self) -> Style:
        return Style(
            Style.colours if self.colours is None else self.colours,
            Style.opacity if self.opacity is None else self.opacity / 100,
            0.0 if self.hidden is None else self.hidden / 100,
            Style.drawn if self.drawn is None else self.drawn,
        )


def _touched(held: T | None, said: T, usual: T) -> T | None:
    return None if held is None and said == usual else said
