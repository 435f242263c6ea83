"""Work that is prepared in threads while what came before it is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def ahead(prepare: Callable[[T], U], items: Iterable[T], threads: int) -> Iterator[U]:
    """Yield what ``map`` does, with the next items prepared in threads meanwhile: photos are decoded while the
    backbone computes.
    """
    with ThreadPoolExecutor(threads) as pool:
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
