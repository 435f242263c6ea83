"""Files on their way in: one for which a visitor has no room is let go while it comes. Knows no Streamlit.

Streamlit keeps every file that is sent until its page reads it, or is closed. Were one refused with a number, the page
would show that number; so it comes in empty, and is told of in words like any other that is not taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.doors import browser_of
from app.text import shorten

_MOST_HEAD = 2**16
"""Bytes before the file itself: its name and kind."""
_TAKEN = 204
_UNTOLD = 200 * 2**20
"""Bytes that a file may have whose sender tells no size, as no browser does: as many as Streamlit takes of one."""

Comes = Callable[[str, str, int, str, str], str]
"""Told number, name and size of a file, browser and page; why it is not taken, as a sentence."""


class RoomForFiles:
    """Ask for each file that is sent whether there is room for it.

    Args:
        path: that the app lies under.
        comes: asked before the first byte of the file itself is read.
        gone: told the number of a file that did not come after all, or was taken back.
    """

    def __init__(self, app: ASGIApp, path: str, comes: Comes, gone: Callable[[str], None]) -> None:
        self._app, self._comes, self._gone = app, comes, gone
        self._place = re.compile(rf"{re.escape(path)}_stcore/upload_file/([^/]+)/([^/]+)")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = self._place.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if place is None or scope["method"] not in ("PUT", "DELETE"):
            await self._app(scope, receive, send)
            return
        page, file = place.groups()
        taken = False

        async def noting(message: Message) -> None:
            nonlocal taken
            taken = taken or message.get("status") == _TAKEN
            await send(message)

        try:
            if scope["method"] == "PUT":
                scope, receive = await self._let_in(scope, receive, page, file)
            await self._app(scope, receive, noting)
        finally:
            if scope["method"] == "DELETE" or not taken:
                self._gone(file)

    async def _let_in(self, scope: Scope, receive: Receive, page: str, file: str) -> tuple[Scope, Receive]:
        """The request as it is, or with an empty file in place of one for which there is no room."""
        headers = Headers(scope=scope)
        head, more = b"", True
        while more and b"\r\n\r\n" not in head and len(head) < _MOST_HEAD:
            piece = await receive()
            head, more = head + piece.get("body", b""), piece.get("more_body", False)
        length = headers.get("content-length", "")
        size = int(length) if length.isdecimal() else _UNTOLD
        problem = self._comes(file, _name(head), size, browser_of(headers.get("cookie", "")), page)
        if not problem:
            return scope, _first(head, more, receive)
        while more:  # a browser that is answered while it sends takes the connection for broken
            more = (await receive()).get("more_body", False)
        start, _, _ = head.partition(b"\r\n\r\n")
        border, _, _ = start.partition(b"\r\n")
        empty = start + b"\r\n\r\n\r\n" + border + b"--\r\n"
        scope = {**scope, "headers": [*scope["headers"]]}
        MutableHeaders(scope=scope)["content-length"] = str(len(empty))
        return scope, _first(empty, False, receive)


def _first(head: bytes, more: bool, receive: Receive) -> Receive:
    """What was read already, and then the rest."""
    told = False

    async def received() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": head, "more_body": more}

    return received


def _name(head: bytes) -> str:
    found = re.search(rb'filename="([^"\r\n]*)"', head)
    return shorten(found[1].decode("utf-8", "replace"), 60) if found and found[1] else "The file"
