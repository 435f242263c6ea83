"""Answer photos that arrive together in one batch: a bounded queue, and the one thread that owns the backbones.

A photo has its place from when its request was read until its answer is sent. A batch is closed when it is full, when
no more photos are expected, or after a few milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from torch import Tensor

from gallop.images import CropBox
from gallop.runtime.process import give_back
from gallop.service.http.refusals import Refusal, busy

AT_REST = 5.0
"""Seconds without a photo after which memory that is free goes back to the system."""


@dataclass(frozen=True, eq=False)
class PhotoQuestion:
    """A photo that waits for a model's answer.

    Attributes:
        model: the name by which the service knows it.
        pixels: (3, H, W) for each of the model's looks, as its backbone takes them.
        image, crop: of one that is to be explained.
        answer: a row for a prediction, or an ``Explanation``.
    """

    model: str
    pixels: tuple[Tensor, ...]
    image: Image.Image | None = None
    crop: CropBox | None = None
    answer: Future[Any] = field(default_factory=Future)


class Batcher:
    """The queue and its thread. Safe to use from several threads.

    Args:
        work: answers some questions, each by its future; it raises nothing.
        most: of one batch.
        wait: seconds for photos that are expected.
        room: places.
        heard: called for each batch: photos, seconds.

    Attributes:
        waiting: photos that are not yet answered.
        thread: the one that owns the backbones.
    """

    def __init__(
        self,
        work: Callable[[Sequence[PhotoQuestion]], None],
        *,
        most: int,
        wait: float,
        room: int,
        heard: Callable[[int, float], None] = lambda photos, seconds: None,
    ) -> None:
        self._work, self._most, self._wait, self._room, self._heard = work, most, wait, room, heard
        self._queue: deque[PhotoQuestion] = deque()
        self._changed = threading.Condition()
        self.waiting, self._ending = 0, False
        self.thread = threading.Thread(target=self._run, name="gallop-backbone", daemon=True)
        self.thread.start()

    @contextmanager
    def places(self, photos: int) -> Iterator[None]:
        """Hold places for the photos of a request.

        Raises:
            Refusal: there are not enough (429).
        """
        with self._changed:
            if self.waiting + photos > self._room:
                raise busy(
                    f"{self.waiting} photos are waiting, and {photos} more would exceed the limit of {self._room}"
                )
            self.waiting += photos
        try:
            yield
        finally:
            with self._changed:
                self.waiting -= photos
                self._changed.notify_all()

    def ask(self, question: PhotoQuestion) -> Future[Any]:
        """Put a question into the queue; a cancelled future takes it out again.

        Raises:
            Refusal: the thread has ended.
        """
        with self._changed:
            if self._ending:
                raise Refusal("The service is shutting down: try again soon, or use another server.", 503, "stopping")
            self._queue.append(question)
            self._changed.notify_all()
        return question.answer

    def close(self) -> None:
        """Answer the photos in the queue, and end."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self.thread.join()

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
                self._heard(len(batch), time.perf_counter() - start)
                rested = False
            elif self._ending:
                return

    def _gathered(self) -> list[PhotoQuestion]:
        """The waiting photos, and those that arrive within a moment; none where all waiting ones were cancelled."""
        batch: list[PhotoQuestion] = []
        with self._changed:
            self._take(batch)
            end = time.monotonic() + self._wait
            while batch and len(batch) < min(self._most, self.waiting):
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
                self._take(batch)
        return batch

    def _take(self, batch: list[PhotoQuestion]) -> None:
        """Fill a batch with those whose answer is still wanted. The lock is held."""
        while self._queue and len(batch) < self._most:
            question = self._queue.popleft()
            if question.answer.set_running_or_notify_cancel():
                batch.append(question)
