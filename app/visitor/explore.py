"""What is asked and shown on the page Explore, for all who need to know. Knows no Streamlit and no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.visitor.question import DEFAULT_NAMES, DEFAULT_TEMPLATES, Question
from app.visitor.training import VisitorTraining
from gallop import parse_names
from gallop.maps.look import Style
from gallop.names.templates import parse_templates

NO_CLASS = "\u200b"
"""Begins a choice that is no class: cleaned class names hold no zero-width characters."""
SMOOTH, CELLS = "Smooth", "Cells"
_WIDGETS = {
    "photo": "photo",
    "names": "names",
    "templates": "templates",
    "class_name": "class",
    "against": "minus",
    "colours": "colours",
    "drawn": "cells",
    "opacity": "opacity",
    "hidden": "threshold",
}
"""Fields, and the widget whose value each is."""


@dataclass(frozen=True)
class ExploreState:
    """As its widgets stand; None where one was not touched yet.

    Attributes:
        photo: content hash.
        names, templates: as they are typed.
        class_name: the class explained; None is the most probable.
        against: the class it is compared with.
        drawn: ``SMOOTH`` or ``CELLS``.
        opacity, hidden: in percent; regions whose score is below ``hidden`` are not drawn.
        scales: k of the local prompts.
    """

    photo: str | None = None
    names: str | None = None
    templates: str | None = None
    class_name: str | None = None
    against: str | None = None
    colours: str | None = None
    drawn: str | None = None
    opacity: int | None = None
    hidden: int | None = None
    scales: tuple[int, ...] = ()

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> ExploreState:
        """Return what the values of widgets by key say."""
        found = {field: kept.get(key) for field, key in _WIDGETS.items()}
        for field in ("class_name", "against"):
            if str(found[field]).startswith(NO_CLASS):
                found[field] = None
        scales: list[int] = []
        while f"k {len(scales)}" in kept:
            scales.append(kept[f"k {len(scales)}"])
        return cls(**found, scales=tuple(scales))

    def widgets(self) -> dict[str, Any]:
        """Return the values of the widgets by key, of those fields that say something."""
        found = {key: getattr(self, field) for field, key in _WIDGETS.items()}
        found |= {f"k {n}": k for n, k in enumerate(self.scales)}
        return {key: value for key, value in found.items() if value is not None}

    def question(self, training: VisitorTraining) -> Question:
        """Return what is asked: the class list and templates, zero-shot or taught.

        Raises:
            ClassNameError, TemplateError: what is typed there cannot be used.
        """
        names = parse_names("\n".join(DEFAULT_NAMES) if self.names is None else self.names)
        templates = parse_templates("\n".join(DEFAULT_TEMPLATES) if self.templates is None else self.templates)
        return Question(names, training.use_taught and training.knows(names), templates)

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
