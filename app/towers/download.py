"""A tower's weights fetched for a visitor, as a task for a job manager of its own. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.jobs.manager import JobManager, PlainError
from app.towers.room import TowerRoom
from gallop.backbones.weights.known import KnownTower, offered_towers

STALLED = 120.0
"""Seconds after which a download that says nothing is given up."""


def download_manager() -> JobManager:
    """Return the one for downloads: they wait for one another, and no training waits for them."""
    return JobManager(waiting=2, stuck=STALLED)


def to_download(room: TowerRoom) -> list[KnownTower]:
    """Return what may be downloaded and is not here."""
    return [tower for tower in offered_towers() if room.listing.find(tower.name) is None]


@dataclass
class Downloading:
    """One download, from the short list alone.

    Raises:
        PlainError: whoever started the app does not allow it, or it is not on the list.
    """

    room: TowerRoom
    name: str
    done: bool = False

    def __post_init__(self) -> None:
        if not self.room.options.downloads:
            raise PlainError("Nothing is downloaded here: whoever started the app did not say --allow-downloads.")
        if self.name not in [tower.name for tower in offered_towers()]:
            raise PlainError(f"{self.name!r} is not on the list of what may be downloaded.")

    def run(self) -> Iterator[Any]:
        from gallop.backbones.weights.fetching import fetch_weights

        yield from fetch_weights(self.name)
        self.room.listing.look(again=True)
        self.done = True

    def result(self) -> str | None:
        """The tower's name once it is here."""
        return self.name if self.done else None
