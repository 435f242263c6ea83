"""What arrives together is answered together: a queue with so many places, and the one thread that owns the backbones.

A photo has its place from when its request was read until its answer is sent. Photos enter batches by turns, of which
each request has its own. A batch is closed when it is full, when nothing more is on its way, or after a few
milliseconds.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from PIL import Image
from torch import Tensor

from gallop.images import CropBox
from gallop.runtime.process import give_back
from gallop.serve.refusals import Refusal

T = TypeVar("T")

AT_REST = 5.0
"""Seconds without a photo after which memory that is free goes back to the system."""
_LONGEST_RETRY = 60
_NEWEST = 0.2
"""Weight of the last batch in the mean of how long a photo takes."""


class Turns(Generic[T]):
    """A queue of pieces of work, each of a request, in the order of weighted fair queueing.

    A piece is due when it would be done if all requests had the same share of the work at all times: its cost after the
    piece that its request added before, or after now. So who adds one small piece goes before those who have many or
    large ones waiting, and yet everyone's turn comes. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, float, T]] = []
        self._numbers = count()
        self._now = 0.0
        self._due: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: object, cost: float, piece: T) -> None:
        """Add a piece of a request's work; ``request`` may be anything that is itself alone and can be referenced."""
        self._due[request] = due = max(self._due.get(request, 0.0), self._now) + cost
        heappush(self._waiting, (due, next(self._numbers), cost, piece))

    def take(self) -> T:
        _, _, cost, piece = heappop(self._waiting)
        self._now += cost / max(len(self._due), 1)  # of the requests that are here each has had so much
        return piece


class Slots:
    """So many may work at once; the others wait for their turn. For the loop's own thread."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._turns: Turns[asyncio.Future[None]] = Turns()

    @asynccontextmanager
    async def one(self, request: object, cost: float) -> AsyncIterator[None]:
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


@dataclass(frozen=True, eq=False)
class PhotoQuestion:
    """A photo that waits for a model's answer; without pixels, the model is only to be loaded.

    Attributes:
        pixels: (3, H, W) for each of the model's looks, as its backbone takes them.
        image, crop: of one that is to be explained.
        answer: a row for a prediction, an ``Explanation``, or what was learned of a model by loading it.
    """

    model: str
    pixels: tuple[Tensor, ...] | None = None
    image: Image.Image | None = None
    crop: CropBox | None = None
    answer: Future[Any] = field(default_factory=Future)


class Batcher:
    """The queue and its thread. Safe to use from several threads.

    Args:
        work: answers some questions, each by its future; it raises nothing.
        most: of one batch.
        wait: seconds for what is on its way.
        room: places.
        told: hears of each batch: photos, seconds.
    """

    def __init__(
        self,
        work: Callable[[Sequence[PhotoQuestion]], None],
        *,
        most: int,
        wait: float,
        room: int,
        told: Callable[[int, float], None] = lambda photos, seconds: None,
    ) -> None:
        self._work, self._most, self._wait, self._room, self._told = work, most, wait, room, told
        self._queue: Turns[PhotoQuestion] = Turns()
        self._changed = threading.Condition()
        self._taken = 0
        self._seconds_a_photo = 0.05
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="gallop-backbone", daemon=True)
        self._thread.start()

    @contextmanager
    def places(self, photos: int) -> Iterator[None]:
        """Hold places for the photos of a request.

        Raises:
            Refusal: there are not so many (429), and when there may be.
        """
        with self._changed:
            if self._taken + photos > self._room:
                seconds = min(max(math.ceil(self._taken * self._seconds_a_photo), 1), _LONGEST_RETRY)
                raise Refusal(
                    f"The service has all it can do: {self._taken} photos wait, and there is room for {self._room}. "
                    f"Send it again in {seconds} s.",
                    429,
                    "busy",
                    retry_after=seconds,
                )
            self._taken += photos
        try:
            yield
        finally:
            with self._changed:
                self._taken -= photos
                self._changed.notify_all()

    def ask(self, question: PhotoQuestion, request: object) -> Future[Any]:
        """Put a question of a request into the queue; a cancelled future takes it out again.

        Raises:
            Refusal: the thread has ended.
        """
        with self._changed:
            if self._ending:
                raise Refusal("The service is stopping: send it to another one.", 503, "stopping")
            self._queue.add(request, 1.0, question)
            self._changed.notify_all()
        return question.answer

    @property
    def waiting(self) -> int:
        """Photos that are here and not yet answered."""
        return self._taken

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Answer what is in the queue, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        rested = False
        while True:
            with self._changed:
                worth_it = self._changed.wait_for(lambda: self._queue or self._ending, None if rested else AT_REST)
            if not worth_it:
                give_back()
                rested = True
                continue
            batch = self._gathered()
            if batch:
                start = time.perf_counter()
                self._work(batch)
                seconds, photos = time.perf_counter() - start, sum(question.pixels is not None for question in batch)
                if photos:
                    self._told(photos, seconds)
                    self._seconds_a_photo += _NEWEST * (seconds / photos - self._seconds_a_photo)
                rested = False
            elif self._ending:
                return

    def _gathered(self) -> list[PhotoQuestion]:
        """What waits, and what comes within a moment; none where all that waited was cancelled."""
        batch: list[PhotoQuestion] = []
        with self._changed:
            self._take(batch)
            end = time.monotonic() + self._wait
            while batch and len(batch) < min(self._most, self._taken):
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
                self._take(batch)
        return batch

    def _take(self, batch: list[PhotoQuestion]) -> None:
        """Fill a batch with those whose answer is still wanted. The lock is held."""
        while self._queue and len(batch) < self._most:
            question = self._queue.take()
            if question.answer.set_running_or_notify_cancel():
                batch.append(question)
