"""What is asked and shown on the page Explore, for all who need to know. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.visitor.page_state import Remembered
from app.visitor.question import DEFAULT_NAMES, DEFAULT_TEMPLATES, Question
from app.visitor.training import VisitorTraining
from gallop import parse_names
from gallop.maps.look import Style
from gallop.names.templates import parse_templates

NO_CLASS = "\u200b"
"""Begins a choice that is no class: cleaned class names hold no zero-width characters."""
SMOOTH, CELLS = "Smooth", "Cells"
UNTAUGHT, TAUGHT = "Zero-shot", "Taught"


@dataclass(frozen=True)
class ExploreState:
    """As its widgets stand; None where one was not touched yet.

    Attributes:
        source: where photos come from.
        photo: content hash.
        names, templates: as they are typed.
        prompts: ``UNTAUGHT`` or ``TAUGHT``: which answer.
        class_name, against: the class explained and the one it is compared with, or a choice that is no class.
        drawn: ``SMOOTH`` or ``CELLS``.
        opacity, hidden: in percent; regions whose score is below ``hidden`` are not drawn.
        scales: k of the local prompts.
    """

    source: Remembered[str | None] = Remembered(None)
    photo: Remembered[str | None] = Remembered(None)
    names: Remembered[str | None] = Remembered(None)
    templates: Remembered[str | None] = Remembered(None)
    prompts: Remembered[str | None] = Remembered(None)
    class_name: Remembered[str | None] = Remembered(None)
    against: Remembered[str | None] = Remembered(None)
    colours: Remembered[str | None] = Remembered(None)
    drawn: Remembered[str | None] = Remembered(None)
    opacity: Remembered[int | None] = Remembered(None)
    hidden: Remembered[int | None] = Remembered(None)
    scales: Remembered[tuple[int, ...]] = Remembered(())

    def question(self, training: VisitorTraining) -> Question:
        """Return what is asked: the class list and templates, zero-shot or taught.

        Raises:
            ClassNameError, TemplateError: what is typed there cannot be used.
        """
        names = parse_names("\n".join(DEFAULT_NAMES) if self.names is None else self.names)
        templates = parse_templates("\n".join(DEFAULT_TEMPLATES) if self.templates is None else self.templates)
        return Question(names, self.prompts == TAUGHT and training.knows(names), templates)

    def scales_of(self, usual: Sequence[int]) -> tuple[int, ...]:
        """Return the k of each local prompt: as its slider stands, or as ``usual``."""
        return (*self.scales, *usual[len(self.scales) :])[: len(usual)]

    @property
    def style(self) -> Style:
        """How maps are drawn."""
        return Style(
            Style.colours if self.colours is None else self.colours,
            Style.opacity if self.opacity is None else self.opacity / 100,
            0.0 if self.hidden is None else self.hidden / 100,
            self.drawn in (None, SMOOTH),
        )
