"""Which towers there are to choose from: those that ship and are named at once, those in caches once they were sought.

Knows no Streamlit, and loads torch only to seek in caches that hold something.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from gallop.backbones.weights.known import KnownTower
from gallop.backbones.weights.on_disk import named_tower, towers_here
from gallop.errors import GallopError

_log = logging.getLogger(__name__)


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

    def find(self, name: str) -> KnownTower | None:
        """Return one that is known so far."""
        return self._towers.get(name)

    def seek(self, name: str) -> KnownTower | None:
        """Return one, after seeking in the caches where it is not known yet, which may take seconds."""
        if name not in self._towers:
            self.look()
        return self.find(name)

    def look(self, *, again: bool = False) -> None:
        """Seek in the caches: once, or ``again`` after a download."""
        with self._lock:
            if self._sought and not again:
                return
            self._towers = {tower.name: tower for tower in towers_here(self._named)}
            self._sought = True
