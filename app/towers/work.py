"""Work that needs a tower, as a task for the job manager: it waits for the tower in steps, and holds it to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.jobs.manager import Task
from app.towers.room import Lease, TowerRoom

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
