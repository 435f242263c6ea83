"""How far a source has been gone through; what is in it is counted meanwhile, so the first answer waits for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gallop.scoring.sources import Source, SourceItem


class Counting:
    """A source, and how many photos of it were taken.

    Attributes:
        passed: photos that were handed on.
        total: photos that there are; None until that is known, and for ever where it cannot be told beforehand.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.passed = 0
        self.total: int | None = None

    def __iter__(self) -> Iterator[SourceItem]:
        for item in self._source:
            self.passed += 1
            yield item

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Count on a thread of its own, as long as the block takes."""
        ended = threading.Event()

        def count() -> None:
            with suppress(Exception):  # who goes through the source meets it too, and tells
                found = self._source.total(lambda: not ended.is_set())
                if not ended.is_set():
                    self.total = found

        threading.Thread(target=count, name="counting", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def seconds_left(self, rate: float, parts: int = 1) -> float | None:
        """Return what the rest takes one of so many parts, at photos a second; None as long as nobody knows."""
        if self.total is None or not rate:
            return None
        return max(self.total - self.passed, 0) / parts / rate
