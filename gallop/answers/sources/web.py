"""Files of public addresses of the web: photos at once; lists, tables and archives a part at a time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import BinaryIO, cast
from urllib.parse import quote

from fsspec.asyn import get_loop
from fsspec.spec import AbstractBufferedFile

from gallop.answers.sources.outages import patiently
from gallop.runtime.public_web import NotFetched, PublicOnly, fetch

PART_BYTES = 2**20
"""Bytes of a file that are requested at a time; each part has the same time limit as a photo."""
_AS_IT_IS = "%/:?#[]@!$&'()*+,;=~"


def web_file(url: str, most: int, *, private: bool = False, start: int | None = None) -> tuple[bytes, int | None]:
    """Return the content of an address, as ``fetch``; it may contain spaces and letters that are not ASCII.

    Args:
        private: whether addresses of private networks may be fetched, too.
    """
    backend = PublicOnly(lambda _: True) if private else PublicOnly()
    asked = fetch(quote(url.strip(), safe=_AS_IT_IS), most, backend, start=start)
    return asyncio.run_coroutine_threadsafe(asked, get_loop()).result()


def open_web_file(url: str, service: str, small: int, *, private: bool = False) -> BinaryIO:
    """Open a file of any size, of which a part is in memory at a time.

    Args:
        service: as of ``patiently``.
        small: bytes that a file may have whose server sends no parts of it.

    Raises:
        NotFetched: the address cannot be fetched, or the file is larger and its server sends no parts.
        Unreachable: the server does not answer; further reads raise the same.
    """

    def part(start: int, most: int) -> tuple[bytes, int | None]:
        return patiently(lambda: web_file(url, most, private=private, start=start), service)

    data, size = part(0, PART_BYTES)
    if size is not None:
        return cast(BinaryIO, _InParts(part, url, size))
    if len(data) == PART_BYTES:
        data, _ = part(0, small + 1)
    if len(data) > small:
        raise NotFetched(
            f"it is larger than {small} bytes, and its server does not support range requests: download the file first"
        )
    return io.BytesIO(data)


class _InParts(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file whose server sends parts of it."""

    def __init__(self, part: Callable[[int, int], tuple[bytes, int | None]], url: str, size: int) -> None:
        self._part = part
        super().__init__(None, url, size=size, block_size=PART_BYTES)

    def _fetch_range(self, start: int, end: int) -> bytes:
        parts = [self._part(at, min(PART_BYTES, end - at)) for at in range(start, end, PART_BYTES)]
        if any(size != self.size for _, size in parts):
            raise NotFetched("it changed while it was being read")
        return b"".join(data for data, _ in parts)
