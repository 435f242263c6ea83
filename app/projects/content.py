"""What a project is: photos on cards and shelves, runs, and how things were set. Knows no Streamlit and no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.jobs.manager import PlainError
from app.photos.shelf import size_of
from app.runs.model_zip import Files
from app.runs.run import Run
from app.teaching.cards import Card
from app.teaching.settings import Settings
from app.towers.options import DEFAULT_TOWER
from gallop import Photo

PROJECT_FORMAT = 1
"""Of the file. Raised when an older version could not read it, or would read it wrongly."""
MANIFEST, RUN_FACTS = "project.json", "run.json"
SHELVES = ("look", "other")
"""Folders of the photos on no card: to look at, and of none of the classes."""


class ProjectProblem(PlainError):
    """A project that is not saved or opened; the message says why and what to do."""


@dataclass(frozen=True)
class ProjectRun:
    """A run, whose number counts for nothing, and its checkpoint."""

    run: Run
    files: Files


@dataclass(frozen=True)
class Project:
    """What a visitor takes along.

    Attributes:
        shelves: photos on no card, by the names in ``SHELVES``.
        runs: the oldest first.
        taught: which of the runs answers, counted from 0; None where nothing was taught.
        limit: for "none of these", where it was set by hand.
        tower: the one that answers.
        settings: of the next training on a tower, by its name.
        tuned: the k that were chosen on test photos, and the content hashes of those; None where none were.
        explore: what the page Explore stands at, as JSON has it.
    """

    cards: tuple[Card, ...] = ()
    shelves: Mapping[str, tuple[Photo, ...]] = field(default_factory=dict)
    runs: tuple[ProjectRun, ...] = ()
    taught: int | None = None
    limit: float | None = None
    tower: str = DEFAULT_TOWER
    settings: Mapping[str, Settings] = field(default_factory=dict)
    explore: Mapping[str, Any] = field(default_factory=dict)
    tuned: tuple[tuple[int, ...], frozenset[str]] | None = None

    @property
    def photos(self) -> int:
        """How many there are on cards and shelves."""
        on_cards = sum(len(card.shots) + len(card.tests) for card in self.cards)
        return on_cards + sum(map(len, self.shelves.values()))

    @property
    def size(self) -> int:
        """The bytes that its photos take in memory."""
        on_cards = (photo for card in self.cards for photo in card.all)
        return sum(map(size_of, (*on_cards, *(photo for shelf in self.shelves.values() for photo in shelf))))


def run_fingerprint(facts: str, files: Files) -> str:
    """Return SHA-256 over what is known of a run and over its checkpoint."""
    digest = hashlib.sha256()
    for part in (facts.encode(), files.settings.encode(), files.prompts):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
