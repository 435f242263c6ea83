"""UI state that survives a change of page and a reload, one dataclass a page, and what is asked on Explore. Knows no
Streamlit and no torch.

Values of widgets that only their own page reads are in ``Session.values``, by key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.photos.sample_answers import sample_answers
from app.shared_backbones import DEFAULT_BACKBONE
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop import parse_names
from gallop.config import ZERO_SHOT
from gallop.maps.explainer.state import ExplainerState
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


# Photos of the test: of a pair of classes, or of a kind.
Group = tuple[int, int] | str


@dataclass(frozen=True)
class TestState:
    """Of the page Test.

    Attributes:
        opened, selected: content hashes of photos.
        explainer_state, explainer_photo: the explainer as the visitor left it, and the content hash of its photo.
    """

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
        opened: the tile that is opened, as ``opening`` takes it.
        explainer_state: of its photo, as the visitor left it.
    """

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


UNTAUGHT, TAUGHT = "Zero-shot", "Taught"


@dataclass(frozen=True)
class ExploreState:
    """What is asked on Explore, and how it is shown. The first five are values of widgets; None before they are used.

    Attributes:
        photo: content hash.
        names: as they are typed; None follows the photo shown.
        templates: as they are typed.
        prompts: ``UNTAUGHT`` or ``TAUGHT``: which answer.
        second_look: whether maps from a second look follow the answer.
        typed_names: the last typed ones, while a sample is shown with its names.
        explainer: as the visitor left it, except its region.
        region, region_of: the region that is selected, and the content hash of its photo.
    """

    photo: str | None = None
    names: str | None = None
    templates: str | None = None
    prompts: str | None = None
    second_look: bool | None = None
    typed_names: str | None = None
    explainer: ExplainerState = ExplainerState()
    region: AskedRegion | None = None
    region_of: str | None = None

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

    def explainer_state(self, photo: str, grid: tuple[int, int]) -> ExplainerState:
        """Return the state of the explainer for a photo, by its content hash, with this grid of regions."""
        here = self.region is not None and self.region_of == photo
        return replace(self.explainer, region=self.region.on(grid) if self.region is not None and here else None)

    def with_explainer_state(self, explainer: ExplainerState, photo: str, grid: tuple[int, int]) -> ExploreState:
        """Return it with the explainer of a photo as the visitor left it."""
        region = AskedRegion.of(explainer.region, grid)
        return replace(self, explainer=replace(explainer, turn=0), region=region, region_of=photo)

    def scales_of(self, usual: Sequence[int]) -> tuple[int, ...]:
        """Return the k of each local prompt: from its slider, or from ``usual``."""
        return (*self.explainer.topk, *usual[len(self.explainer.topk) :])[: len(usual)]

    def with_scales(self, topk: Sequence[int]) -> ExploreState:
        return replace(self, explainer=replace(self.explainer, topk=tuple(topk)))
