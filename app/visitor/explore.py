"""What is asked and shown on the page Explore, for all who need to know. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from app.photos.sample_answers import sample_answers
from app.visitor.page_state import AskedRegion, Remembered
from app.visitor.photos import VisitorPhotos
from app.visitor.question import DEFAULT_NAMES, DEFAULT_TEMPLATES, Question
from app.visitor.training import VisitorTraining
from gallop import parse_names
from gallop.maps.explainer.stands import Stands
from gallop.maps.look import Style
from gallop.names.templates import parse_templates

T = TypeVar("T")

SMOOTH, CELLS = "Smooth", "Cells"
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
        drawn: ``SMOOTH`` or ``CELLS``.
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
        templates = parse_templates("\n".join(DEFAULT_TEMPLATES) if self.templates is None else self.templates)
        return Question(names, self.prompts == TAUGHT and training.knows(names), templates)

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

    def stands(self, photo: str, grid: tuple[int, int]) -> Stands:
        """Return what the explainer of a photo, by its content hash, is to stand at with this grid of regions."""
        return Stands(
            self.class_name,
            self.against,
            bool(self.before),
            self.prompt or 0,
            self.scales,
            self.region.on(grid) if self.region is not None and self.region_of == photo else None,
            bool(self.all_scales),
            self.style,
        )

    def told(self, stands: Stands, photo: str, grid: tuple[int, int]) -> ExploreState:
        """Return it as a hand left the explainer of a photo; what nobody touched stays untouched."""
        drawn = SMOOTH if stands.style.smooth else CELLS
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
            drawn=_touched(self.drawn, drawn, SMOOTH),
            opacity=_touched(self.opacity, round(100 * stands.style.opacity), round(100 * Style.opacity)),
            hidden=_touched(self.hidden, round(100 * stands.style.threshold), 0),
            scales=stands.topk,
        )

    @property
    def style(self) -> Style:
        """How maps are drawn."""
        return Style(
            Style.colours if self.colours is None else self.colours,
            Style.opacity if self.opacity is None else self.opacity / 100,
            0.0 if self.hidden is None else self.hidden / 100,
            self.drawn in (None, SMOOTH),
        )


def _touched(held: T | None, said: T, usual: T) -> T | None:
    return None if held is None and said == usual else said
