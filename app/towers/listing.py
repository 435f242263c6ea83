"""Which towers there are to choose from: those that ship and are named at once, those in caches once they were sought.

A tower with another kind of region features is another tower, with a name of its own: what is worked out with one is
never the other's. Knows no Streamlit, and loads torch only to seek in caches that hold something.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from gallop.backbones.weights.known import KnownTower
from gallop.backbones.weights.on_disk import named_tower, towers_here
from gallop.config import REGION_KINDS
from gallop.errors import GallopError

DEFAULT_TOWER = "mini"
"""The one that ships: whoever chooses none has it, and runs that were kept before there was a choice are of it."""


@dataclass(frozen=True)
class TowerOptions:
    """As given on the command line.

    Attributes:
        named: towers on this machine, as ``gallop.backbones.weights.on_disk.named_tower`` takes them.
        memory: bytes that towers may take together; None is half of what the device has.
        downloads: whether visitors may have weights downloaded.
        device: where towers compute, as ``load_backbone`` takes it.
        precision: of the towers on a CPU, as ``load_backbone`` takes it; the one that ships has its own.
        regions: the kind of region features that the towers which have several give unless a visitor chooses another.
    """

    named: tuple[str, ...] = ()
    memory: int | None = None
    downloads: bool = False
    device: str = "auto"
    precision: str = "fp32"
    regions: str = "value"


_given = TowerOptions()


def start_with(options: TowerOptions) -> None:
    """Say it, before the first visitor comes."""
    global _given
    _given = options


def started_with() -> TowerOptions:
    """Return what was said; where nothing was, what that means."""
    return _given


_log = logging.getLogger(__name__)

PAPERS_KIND = REGION_KINDS[0]
"""The kind of region features that is not said with a tower's name."""


def called(tower: str, kind: str) -> str:
    """Return what a tower with a kind of region features is called in the app."""
    return tower if kind == PAPERS_KIND else f"{tower} ({kind})"


@dataclass(frozen=True)
class Choice:
    """A tower and the kind of region features that it is to give."""

    tower: KnownTower
    kind: str = PAPERS_KIND


class TowerList:
    """The towers of this machine. Safe to use from several threads.

    Args:
        named: by whoever started the app.

    Attributes:
        problem: which of them are not there, as a sentence; empty where all are.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self.problem = ""
        self._named: list[str] = []
        self._lock = threading.Lock()
        self._sought = False
        for word in named:
            try:
                named_tower(word)
                self._named.append(word)
            except GallopError as error:
                self.problem = f"{self.problem} {error}".strip()
                _log.warning("%s", error)
        self._towers = {tower.name: tower for tower in towers_here(self._named, seek=False)}

    def towers(self) -> list[KnownTower]:
        """Return those known so far; the one that ships comes first."""
        return list(self._towers.values())

    def find(self, name: str) -> Choice | None:
        """Return one that is known so far, by what it is called with its kind of regions."""
        towers = self._towers
        if name in towers:
            return Choice(towers[name])
        others = (Choice(tower, kind) for tower in towers.values() for kind in tower.kinds)
        return next((choice for choice in others if called(choice.tower.name, choice.kind) == name), None)

    def seek(self, name: str) -> Choice | None:
        """Return one, after seeking in the caches where it is not known yet, which may take seconds."""
        found = self.find(name)
        if found is None:
            self.look()
            found = self.find(name)
        return found

    def look(self, *, again: bool = False) -> None:
        """Seek in the caches: once, or ``again`` after a download."""
        with self._lock:
            if self._sought and not again:
                return
            self._towers = {tower.name: tower for tower in towers_here(self._named)}
            self._sought = True
