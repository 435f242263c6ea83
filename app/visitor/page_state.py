"""UI state that survives reruns, one dataclass a page, and what is asked on Explore. Knows no Streamlit and no torch.

Only state that survives a change of page or a reload. The value of a widget is a ``Remembered`` field. Read on a state
it is the value; read on the class it is its ``Place``, which a widget takes: ``CompareState.pin_a`` is where the first
pin is remembered, and the key of its widget follows from that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast, overload

from app.backbones import DEFAULT_BACKBONE
from app.photos.sample_answers import sample_answers
from app.teaching.training import QUICK, Settings, preset
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop import parse_names
from gallop.config import ZERO_SHOT
from gallop.maps.explainer.state import ExplainerState
from gallop.maps.look import Style
from gallop.names.templates import parse_templates

DEFAULT_NAMES = ("cat", "dog", "cup of coffee", "rocket", "person")
# The texts of prompts before anything is learned.
DEFAULT_TEMPLATES = ZERO_SHOT["default"]


def usual_templates(backbone_name: str) -> tuple[str, ...]:
    """Return what zero-shot asks on a backbone, by its name."""
    return DEFAULT_TEMPLATES if backbone_name == DEFAULT_BACKBONE else ZERO_SHOT["paper"]


@dataclass(frozen=True)
class Question:
    """What is asked about a photo: which classes, and which prompts answer.

    Attributes:
        taught: whether the taught prompts answer; otherwise zero-shot.
        templates: of zero-shot.
        like_taught: zero-shot with as many prompts as were taught, to compare prompt with prompt.
        earlier: the taught prompts of the run before answer.
    """

    names: tuple[str, ...]
    taught: bool = False
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    like_taught: bool = False
    earlier: bool = False


T = TypeVar("T")


@dataclass(frozen=True)
class Place(Generic[T]):
    """Where a value is remembered: a field of a page's state, or a part of the value of that field.

    Attributes:
        page: which state of the session.
        part: the index in a tuple, or the field of a dataclass.
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
        """Return the remembered value; None before its widget was used."""
        value: Any = getattr(getattr(session, self.page), self.field)
        if isinstance(self.part, int):
            value = value[self.part] if self.part < len(value) else None
        elif self.part is not None:
            value = getattr(value, self.part)
        return cast("T | None", value)

    def write(self, session: object, value: T) -> None:
        new: Any = value
        state = getattr(session, self.page)
        held = getattr(state, self.field)
        if isinstance(self.part, int):
            new = (*held[: self.part], value, *held[self.part + 1 :])
        elif self.part is not None:
            new = replace(held, **{self.part: value})
        setattr(session, self.page, replace(state, **{self.field: new}))


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
        return cast(T, state.__dict__[self._place.field])

    def __set__(self, state: object, value: T | Place[T]) -> None:
        # The dataclass takes the class attribute, a Place, as the field's default.
        state.__dict__[self._place.field] = self._untouched if value is self._place else value


@dataclass(frozen=True)
class AskedRegion:
    """A region that was clicked: its number in a grid of (rows, columns)."""

    region: int
    grid: tuple[int, int]

    @staticmethod
    def of(sent: Any, grid: tuple[int, int]) -> AskedRegion | None:
        """Return what a browser has sent; None where it is no region: a client may send anything."""
        return AskedRegion(sent, grid) if isinstance(sent, int) and 0 <= sent < grid[0] * grid[1] else None

    def on(self, grid: tuple[int, int]) -> int:
        """Return the region of another backbone's grid in which the centre of this one lies."""
        row, column = divmod(self.region, self.grid[1])
        rows, columns = grid
        return (2 * row + 1) * rows // (2 * self.grid[0]) * columns + (2 * column + 1) * columns // (2 * self.grid[1])


FILL_WORDS = {"blur": "a blur", "grey": "grey", "neighbours": "mean of neighbours"}
"""What a covered region shows, by the name of ``gallop.predictions.covering.FILLS``."""


@dataclass(frozen=True)
class PhotoEdit:
    """What a visitor changes of a photo that the model gets: which part of it, and which regions are covered.

    Attributes:
        photo: content hash.
        grid: rows and columns of the regions.
        part: 0 is the middle, which the model sees; -1 the left or upper end, 1 the right or lower one.
        regions: the covered ones, by number.
        fill: a key of ``FILL_WORDS``.
    """

    photo: str = ""
    grid: tuple[int, int] = (0, 0)
    part: int = 0
    regions: tuple[int, ...] = ()
    fill: str = "blur"

    @property
    def untouched(self) -> bool:
        return not (self.part or self.regions)

    def on(self, photo: str, grid: tuple[int, int] | None = None) -> PhotoEdit:
        """Return what is tried on a photo, by content hash; regions of another grid are uncovered."""
        if photo != self.photo:
            return PhotoEdit(photo, grid or self.grid, fill=self.fill)
        return self if grid in (None, self.grid) else replace(self, grid=grid, regions=())

    def as_dict(self) -> dict[str, Any]:
        """Return it in the form that the browser uses."""
        return {
            "part": self.part,
            "regions": list(self.regions),
            "fill": self.fill,
            "of": [self.photo, *self.grid],
            "fills": FILL_WORDS,
        }

    def told(self, sent: Mapping[str, Any]) -> PhotoEdit:
        """Return it as a browser has changed it; unchanged by what is of another photo or grid, or invalid."""
        given: dict[str, Any] = {name: sent.get(name) for name in ("part", "regions", "fill")}
        known = given["part"] in (-1, 0, 1) and given["fill"] in list(FILL_WORDS) and isinstance(given["regions"], list)
        if not known or sent.get("of") != [self.photo, *self.grid]:
            return self
        within = range(self.grid[0] * self.grid[1])
        given["regions"] = tuple(each for each in given["regions"] if type(each) is int and each in within)
        return replace(self, **given)


@dataclass(frozen=True)
class TeachState:
    """Of the page Teach.

    Attributes:
        way, settings, local_prompts, scales: the values in the form; a training takes ``VisitorTraining.settings``.
        backbone_name: whose settings the form shows; None before it was drawn, and where they were changed elsewhere.
        watched: card and content hash of the photo that is watched.
        changed: content hash of the changed photo whose maps are shown.
    """

    way: Remembered[str | None] = Remembered(None)
    settings: Remembered[Settings] = Remembered(preset(QUICK))
    local_prompts: Remembered[int | None] = Remembered(None)
    scales: Remembered[tuple[int, ...]] = Remembered(())
    watched: Remembered[str | None] = Remembered(None)
    changed: Remembered[str | None] = Remembered(None)
    backbone_name: str | None = None


@dataclass(frozen=True)
class BackbonesState:
    """Of the pages that ask a backbone: which, and which of its regions; ``VisitorTraining.backbone_name`` answers."""

    chosen: Remembered[str | None] = Remembered(None)


# Photos of the test: of a pair of classes, or of a kind.
Group = tuple[int, int] | str


@dataclass(frozen=True)
class TestState:
    """Of the page Test.

    Attributes:
        tab: the one that is open.
        group, page: which photos are shown: those of a pair of classes (the true one and the answer, by index) or a
            kind of ``testing.groups``, and so many pages further.
        opened, selected: content hashes of photos.
        explainer_state, explainer_photo: the explainer as the visitor left it, and the content hash of its photo.
    """

    tab: Remembered[str | None] = Remembered(None)
    group: Remembered[Group | None] = Remembered(None)
    page: Remembered[int | None] = Remembered(None)
    opened: str = ""
    selected: frozenset[str] = frozenset()
    explainer_state: ExplainerState = ExplainerState()
    explainer_photo: str = ""

    def explainer_state_for(self, photo: str) -> ExplainerState:
        """Return the state of the explainer for a photo: from another photo only the map settings are taken over."""
        if photo == self.explainer_photo:
            return self.explainer_state
        return ExplainerState(
            prompt=self.explainer_state.prompt,
            all_scales=self.explainer_state.all_scales,
            style=self.explainer_state.style,
        )


@dataclass(frozen=True)
class EvidenceState:
    """Of the page Evidence.

    Attributes:
        tab: the one that is open.
        pile: the photos that figures are computed on.
        class_name: whose words, regions and clusters are shown.
        opened: the tile that is opened, as ``opening`` takes it.
        explainer_state: of its photo, as the visitor left it.
    """

    tab: Remembered[str | None] = Remembered(None)
    pile: Remembered[str | None] = Remembered(None)
    class_name: Remembered[str | None] = Remembered(None)
    opened: str = ""
    explainer_state: ExplainerState = ExplainerState()

    def opening(self, tile: str, class_name: str | None) -> EvidenceState:
        """Return it with a tile opened, at its region; unchanged by what is no tile: a client may send anything.

        Args:
            tile: content hash, local prompt, region ("-" for none), and where it matters the number of its gallery.
        """
        place = re.fullmatch(r"\S+ ([0-9]{1,9}) ([0-9]{1,9}|-)( [0-9]+)?", tile)
        if place is None:
            return self
        region = None if place[2] == "-" else int(place[2])
        return replace(
            self, opened=tile, explainer_state=ExplainerState(class_name, prompt=int(place[1]), region=region)
        )


@dataclass(frozen=True)
class CompareState:
    """Of the runs on the page Test.

    Attributes:
        pin_a, pin_b: the two that are compared.
        newest: the newest run with figures when they were drawn last.
    """

    pin_a: Remembered[int | None] = Remembered(None)
    pin_b: Remembered[int | None] = Remembered(None)
    newest: int | None = None


@dataclass(frozen=True)
class ExportState:
    """Of what is taken away: which local prompt's map."""

    map: Remembered[int | None] = Remembered(None)


UNTAUGHT, TAUGHT = "Zero-shot", "Taught"


@dataclass(frozen=True)
class ExploreState:
    """The values of its widgets; None where one was not used yet.

    Attributes:
        source: where photos come from.
        photo: content hash.
        names: as they are typed; None follows the photo shown.
        typed_names: the last typed ones, while a sample is shown with its names.
        templates: as they are typed.
        prompts: ``UNTAUGHT`` or ``TAUGHT``: which answer.
        class_name, against: the class explained, the most probable one if None, and the one it is compared with.
        before: whether it is compared with itself before teaching.
        prompt, all_scales: the local prompt whose map is shown, counted from 0; or all.
        region, region_of: the region that is selected, and the content hash of its photo.
        drawn: one of ``DRAWN``.
        opacity, hidden: in percent; regions whose score is below ``hidden`` are not drawn.
        scales: k of the local prompts.
        second_look: whether maps from a second look follow the answer.
    """

    source: Remembered[str | None] = Remembered(None)
    photo: Remembered[str | None] = Remembered(None)
    names: Remembered[str | None] = Remembered(None)
    typed_names: Remembered[str | None] = Remembered(None)
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
    second_look: Remembered[bool | None] = Remembered(None)

    def question(self, training: VisitorTraining) -> Question:
        """Return what is asked: the class list and templates, zero-shot or taught.

        Raises:
            ClassNameError, TemplateError: what is typed there cannot be used.
        """
        names = parse_names(self.names_on(training.photos))
        return Question(
            names,
            self.prompts == TAUGHT and training.knows(names),
            parse_templates(self.templates)
            if self.templates and self.templates.strip()
            else usual_templates(training.backbone_name),
        )

    def names_on(self, photos: VisitorPhotos) -> str:
        """Return the class names, one on each line: as they are typed, or those that go with the photo shown.

        A sample has names; for a photo of the visitor these are the names of the cards, or without cards the suggested
        ones, as soon as there are any.
        """
        if self.names is not None:
            return self.names
        shown, samples = photos.shown(self.photo), sample_answers()
        if shown is not None and shown.sha256 not in samples:
            return "\n".join([card.name for card in photos.deck.cards] or photos.suggested.get(shown.sha256, ()))
        sample = next(iter(samples.values()), None) if shown is None else samples[shown.sha256]
        return "\n".join(DEFAULT_NAMES if sample is None else sample.class_names)

    def looking_at(self, photo: str) -> ExploreState:
        """Return it with another photo, by content hash: a sample with the sample's names, which were not taught; a
        photo of the visitor with the typed names.
        """
        typed = self.typed_names if self.names is None else self.names
        if photo not in sample_answers():
            return replace(self, photo=photo, names=typed)
        return replace(self, photo=photo, names=None, typed_names=typed)

    def scales_of(self, usual: Sequence[int]) -> tuple[int, ...]:
        """Return the k of each local prompt: from its slider, or from ``usual``."""
        return (*self.scales, *usual[len(self.scales) :])[: len(usual)]

    def explainer_state(self, photo: str, grid: tuple[int, int]) -> ExplainerState:
        """Return the state of the explainer for a photo, by its content hash, with this grid of regions."""
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

    def with_explainer_state(self, explainer: ExplainerState, photo: str, grid: tuple[int, int]) -> ExploreState:
        """Return it with the explainer of a photo as the visitor left it; fields that were not used stay None."""
        return replace(
            self,
            class_name=explainer.class_name,
            against=explainer.against,
            before=explainer.before,
            prompt=explainer.prompt,
            all_scales=explainer.all_scales,
            region=AskedRegion.of(explainer.region, grid),
            region_of=photo,
            colours=_touched(self.colours, explainer.style.colours, Style.colours),
            drawn=_touched(self.drawn, explainer.style.drawn, Style.drawn),
            opacity=_touched(self.opacity, round(100 * explainer.style.opacity), round(100 * Style.opacity)),
            hidden=_touched(self.hidden, round(100 * explainer.style.threshold), 0),
            scales=explainer.topk,
        )

    @property
    def style(self) -> Style:
        return Style(
            Style.colours if self.colours is None else self.colours,
            Style.opacity if self.opacity is None else self.opacity / 100,
            0.0 if self.hidden is None else self.hidden / 100,
            Style.drawn if self.drawn is None else self.drawn,
        )


def _touched(held: T | None, received: T, usual: T) -> T | None:
    return None if held is None and received == usual else received
