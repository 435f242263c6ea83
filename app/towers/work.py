"""Jobs about towers: work that waits for its tower in steps and holds it to its end, and downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.jobs.manager import JobManager, PlainError, Task
from app.towers.room import Lease, TowerRoom
from gallop.backbones.weights.known import KnownTower
from gallop.backbones.weights.offered import offered_towers

if TYPE_CHECKING:
    from gallop.backbones import Backbone

_STEP = 0.5
"""Seconds that one step waits."""


@dataclass(frozen=True)
class TowerLoads:
    """The progress of work whose tower is not there yet."""

    sentence: str
    share: float = 0.0


class OnTower:
    """A task that is made when its tower is there.

    Args:
        name: of the tower.
        make: what to do with it.
    """

    def __init__(self, room: TowerRoom, name: str, make: Callable[[Backbone], Task]) -> None:
        self._room, self._name, self._make = room, name, make
        self._task: Task | None = None
        self._lease: Lease | None = None

    def run(self) -> Iterator[Any]:
        while self._lease is None:
            self._lease = self._room.lease(self._name, _STEP)
            if self._lease is None:
                yield TowerLoads(self._room.standing(self._name).sentence)
        try:
            self._task = self._make(self._lease.backbone)
            yield from self._task.run()
        except Exception:  # then nobody asks for the result
            self._lease.give_back()
            raise

    def result(self) -> Any:
        """What the task has made; None where it was cancelled before its tower was there."""
        try:
            return None if self._task is None else self._task.result()
        finally:
            if self._lease is not None:
                self._lease.give_back()


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
