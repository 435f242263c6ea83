"""A request's form, read as it arrives: within limits of size and time, and never on a disk."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive

from gallop.service.http.options import ServeOptions
from gallop.service.http.refusals import Refusal, SenderGone, busy
from gallop.wording import one_line, shortened

T = TypeVar("T")

PHOTO, URL = "photo", "url"
"""The fields of a form; both may occur several times."""
SILENCE, PATIENCE, LEAST_RATE = 10.0, 30.0, 64 * 1024
"""Seconds in which a sender has to send something; seconds in which a request may arrive at any rate, and the bytes a
second that it must arrive at from then on."""
BODIES = 4
"""So many of the largest requests may be held at a time."""
_LONGEST_URL = 2000


@dataclass(frozen=True, eq=False)  # two requests are never the same
class Sent:
    """What a request brought: the bytes of photos, and addresses of others."""

    photos: tuple[bytes, ...]
    urls: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.photos) + len(self.urls)


class HeldBytes:
    """How many bytes of requests are in memory, of all senders together. For the event loop's thread."""

    def __init__(self, most: int) -> None:
        self.now, self._most = 0, most

    @contextlib.contextmanager
    def of_one(self) -> Iterator[Callable[[int], None]]:
        """Count bytes of one request with the function that this yields; they are released at the end."""
        of_request = 0

        def more(count: int) -> None:
            nonlocal of_request
            if self.now + count > self._most:
                raise busy("its memory for photos is full")
            of_request += count
            self.now += count

        try:
            yield more
        finally:
            self.now -= of_request


async def read_form(receive: Receive, headers: Headers, options: ServeOptions, more: Callable[[int], None]) -> Sent:
    """Read a request to its end.

    Args:
        more: is called with each number of bytes, and raises where there is no room for them.

    Raises:
        Refusal: it is not such a form, too large, or too slow; SenderGone if it ended in the middle.
    """
    if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
        how = f"Send photos as multipart/form-data, in fields called {PHOTO!r}: curl -F {PHOTO}=@cat.jpg"
        raise Refusal(how, 415, "not_multipart")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(
            "The body is compressed (Content-Encoding), which is not supported: send the form uncompressed.",
            415,
            "compressed",
        )
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > options.body:
        raise _too_large(options)
    parser = _InMemory(
        headers,
        _pieces(receive, options, more),
        max_files=options.photos,
        max_fields=options.photos,
        max_part_size=_LONGEST_URL,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:  # older versions of starlette pass on the parser's error
        if str(error).startswith("Too many"):
            raise _too_many(options) from error
        if str(error).startswith("Part exceeded"):
            raise Refusal(
                f"A text field has more than {_LONGEST_URL} characters: send photos as files, or use shorter URLs.",
                413,
                "too_large",
            ) from error
        raise Refusal(
            "The body is not a valid multipart form: use a library or curl -F to create it.", 400, "bad_form"
        ) from error
    if not parser.complete:
        raise Refusal("The form is truncated (no closing boundary): send the entire form again.", 400, "bad_form")
    try:
        return _sent(form, options)
    finally:
        await form.close()


def _sent(form: FormData, options: ServeOptions) -> Sent:
    photos, urls = list[bytes](), list[str]()
    for name, value in form.multi_items():
        if name == PHOTO and isinstance(value, UploadFile):
            photos.append(value.file.read())
        elif name == URL and isinstance(value, str):
            urls.append(value.strip())
        elif name in (PHOTO, URL):
            raise Refusal(f"The field {name!r} must be {'a file' if name == PHOTO else 'text'}.", 422, "bad_field")
        else:
            raise Refusal(
                f"The field {shortened(one_line(name), 80)!r} is unknown. Send photos as files in fields called "
                f"{PHOTO!r}, and URLs of photos as text in fields called {URL!r}.",
                422,
                "bad_field",
            )
    if len(photos) + len(urls) > options.photos:
        raise _too_many(options)
    if not photos and not urls:
        raise Refusal(f"The form contains no photos: send files in fields called {PHOTO!r}.", 422, "no_photo")
    return Sent(tuple(photos), tuple(urls))


def _too_many(options: ServeOptions) -> Refusal:
    return Refusal(f"A request may contain at most {options.photos} photos: split it.", 413, "too_many_photos")


def _too_large(options: ServeOptions) -> Refusal:
    return Refusal(
        f"The request is larger than {options.body / 2**20:g} MB: send fewer or smaller photos.", 413, "too_large"
    )


async def _pieces(receive: Receive, options: ServeOptions, more: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    total, start = 0, time.monotonic()
    while True:
        left = start + PATIENCE + total / LEAST_RATE - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(min(SILENCE, left), 0.0))
        except asyncio.TimeoutError as error:
            raise Refusal(
                f"The request arrived too slowly: data must arrive at least every {SILENCE:g} s and, after the first "
                f"{PATIENCE:g} s, at {LEAST_RATE // 1024} KB per second or more. Try again, or send smaller photos.",
                408,
                "too_slow",
            ) from error
        if message["type"] != "http.request":
            raise SenderGone
        piece = message.get("body", b"")
        total += len(piece)
        if total > options.body:
            raise _too_large(options)
        more(len(piece))
        yield piece
        if not message.get("more_body", False):
            return


class _InMemory(MultiPartParser):
    """Starlette's parser, which would write photos of more than a megabyte into a file."""

    spool_max_size = 2**62
    complete = False
    """Whether the closing boundary has arrived."""

    def on_end(self) -> None:
        self.complete = True

    def on_headers_finished(self) -> None:
        """Treat a part as a file if it has its name in the extended form alone, as some clients send it."""
        part = self._current_part
        header = part.content_disposition or b""
        if b"filename" not in parse_options_header(header)[1]:
            part.content_disposition = re.sub(rb"(?i);\s*filename\*=", b"; filename=", header)
        super().on_headers_finished()


async def while_wanted(receive: Receive, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return the result of the work; stop it if the sender disconnects, or after so many seconds.

    Args:
        receive: of a request that was read to its end.

    Raises:
        SenderGone: the sender has disconnected.
        Refusal: it took too long.
    """
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_until_gone(receive))
    try:
        done, _ = await asyncio.wait({working, watching}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise Refusal(
                f"The service is too busy and did not answer within {seconds:g} s: try again later, or send fewer "
                "photos at once.",
                503,
                "late",
                retry_after=10,
            )
        if not working.done():
            raise SenderGone
        return working.result()
    finally:
        for each in (working, watching):
            each.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
