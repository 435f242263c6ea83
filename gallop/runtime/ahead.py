"""Work that is prepared in threads while what came before it is used."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

_thread = threading.local()
"""In a thread of ``ahead``, ``ended``: whether the caller has stopped iterating."""


def ahead(prepare: Callable[[T], U], items: Iterable[T], threads: int) -> Iterator[U]:
    """Yield what ``map`` does, with the next items prepared in threads meanwhile: photos are decoded while the
    backbone computes.
    """
    above: threading.Event | None = getattr(_thread, "ended", None)
    ended = above or threading.Event()
    with ThreadPoolExecutor(threads, initializer=setattr, initargs=(_thread, "ended", ended)) as pool:
        coming: deque[Future[U]] = deque()
        try:
            for item in items:
                coming.append(pool.submit(prepare, item))
                if len(coming) > threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:  # a caller that stops does not wait for what has not begun
                future.cancel()
            if above is None:
                ended.set()


def pause(seconds: float) -> None:
    """Wait; in a thread of ``ahead`` only until the caller stops iterating.

    Raises:
        CancelledError: the caller has stopped.
    """
    ended: threading.Event | None = getattr(_thread, "ended", None)
    if ended is None:
        time.sleep(seconds)
    elif ended.wait(seconds):
        raise CancelledError
