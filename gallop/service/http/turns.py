"""The order in which photos are decoded: every request has its turn, however many large photos another has sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue of pieces of work, each of a request, in the order of weighted fair queueing.

    A piece is due when it would be done if all requests had the same fraction of the work at all times: its cost after
    the piece that its request added before, or after now. So a request with one small piece goes before those with many
    or large ones waiting, and yet every request gets its turn. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, float, T]] = []
        self._numbers = count()
        self._now = 0.0
        self._due: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: object, cost: float, piece: T) -> None:
        """Add a piece of a request's work; ``request`` is an object with a weak reference, told by identity."""
        self._due[request] = due = max(self._due.get(request, 0.0), self._now) + cost
        heappush(self._waiting, (due, next(self._numbers), cost, piece))

    def take(self) -> T:
        _, _, cost, piece = heappop(self._waiting)
        self._now += cost / max(len(self._due), 1)  # of the requests that are here each has had so much
        return piece


class Slots:
    """A number of pieces that may run at once; the others wait for their turn. For the event loop's thread."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._turns: Turns[asyncio.Future[None]] = Turns()

    @asynccontextmanager
    async def one(self, request: object, cost: float) -> AsyncIterator[None]:
        """Wait for the turn of a piece of a request's work, and hold a place until it is done."""
        turn = asyncio.get_running_loop().create_future()
        self._turns.add(request, cost, turn)
        self._give()
        try:
            await turn
            yield
        finally:
            self._free += turn.done() and not turn.cancelled()
            self._give()

    def _give(self) -> None:
        while self._free and self._turns:
            turn = self._turns.take()
            if not turn.done():
                turn.set_result(None)
                self._free -= 1
