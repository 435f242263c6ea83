"""What stands between a browser and Streamlit's server, as ASGI. Knows no Streamlit.

- Same-origin check of websockets, and a cookie by which a browser is known again. By which names a page may call the
  server is in ``.streamlit/config.toml``.
- A file for which a visitor has no room is dropped while it comes. Streamlit keeps every file that is sent until its
  page reads it, or is closed. Were one refused with a status code, the page would show that number; so it comes in
  empty, and its refusal is told in words like any other.
- Streamlit's own scripts are sent from memory and named in the page's head, and the page carries a first picture.
  Streamlit reads each of its hundred scripts again for every visitor, the browser hears of those that a page is drawn
  with only when it has the page, and each answer waits for the browser to confirm its head: together as long as all
  the rest.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.text import shorten

POLICY_VIOLATION = 1008
# The cookie that a browser is known again by: a random number, which says nothing of who uses it.
BROWSER = "gallop_browser"
_A_MONTH = 30 * 24 * 3600
# Bytes before the file itself: its name and kind.
_MOST_HEAD = 2**16
# Bytes that a file may have whose sender tells no size, as no browser does: as many as Streamlit takes of one.
_UNTOLD = 200 * 2**20
_INDEX = "index.html"
# In it: where Streamlit's scripts draw the page, all of it.
_PLACE = '<div id="root"></div>'
# Not as the system has it: on some a script is plain text, which no browser runs.
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_OPEN_FILES = Path("/dev/fd")

# Told number, name and size of a file, browser and page; why it is not taken, as a sentence.
Comes = Callable[[str, str, int, str, str], str]


class OwnPagesOnly:
    """Refuse a websocket that a page of another site opens.

    Streamlit would refuse it too, but would ask a server on the internet first by what address this machine is known
    there: the page might come from that. A program that is no browser may name no page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "websocket" else {}
        origin = headers.get("origin")
        if origin is None or origin.partition("://")[2] == headers.get("host"):
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})


class KnownBrowsers:
    """Give each browser a number, and the same again with each page, so that it lasts for a month after the last.

    The address of a session leads to it in the browser that began it, and in no other: an address is seen on screens,
    pasted, kept in histories. No script can read the number, and a page of another site cannot have it sent.

    Args:
        path: that the app lies under; the browser tells the number to nothing else.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = _browser(scope) or secrets.token_hex(16)
        cookie = f"{BROWSER}={number}; Path={self._path}; Max-Age={_A_MONTH}; HttpOnly; SameSite=Lax"
        if scope["scheme"] == "https":
            cookie += "; Secure"
        await self._app(scope, receive, _on_pages(send, lambda headers: headers.append("set-cookie", cookie)))


def _browser(scope: Scope) -> str:
    """The number in what a browser sends as its cookies; nothing where it has none, or keeps none."""
    found = re.search(rf"(?:^|;\s*){BROWSER}=([0-9a-f]{{32}})(?:;|$)", Headers(scope=scope).get("cookie", ""))
    return found[1] if found else ""


def _on_pages(send: Send, act: Callable[[MutableHeaders], None]) -> Send:
    """As ``send``, with the headers of each answer that is a page given to ``act`` first."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                act(headers)
        await send(message)

    return sending


class RoomForFiles:
    """Ask for each file that is sent whether there is room for it.

    Args:
        path: below which files are sent to.
        comes: asked before the first byte of the file itself is read.
        gone: told the number of a file that did not come after all, or was taken back.
    """

    def __init__(self, app: ASGIApp, path: str, comes: Comes, gone: Callable[[str], None]) -> None:
        self._app, self._comes, self._gone = app, comes, gone
        self._place = re.compile(rf"{re.escape(path)}([^/]+)/([^/]+)")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = self._place.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if place is None or scope["method"] not in ("PUT", "DELETE"):
            await self._app(scope, receive, send)
            return
        page, file = place.groups()
        taken = False

        async def noting(message: Message) -> None:
            nonlocal taken
            taken = taken or message.get("status") == 204
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
        head, more = b"", True
        while more and b"\r\n\r\n" not in head and len(head) < _MOST_HEAD:
            piece = await receive()
            head, more = head + piece.get("body", b""), piece.get("more_body", False)
        length = Headers(scope=scope).get("content-length", "")
        size = int(length) if length.isdecimal() else _UNTOLD
        named = re.search(rb'filename="([^"\r\n]+)"', head)
        name = shorten(named[1].decode("utf-8", "replace"), 60) if named else "The file"
        if not self._comes(file, name, size, _browser(scope), page):
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
    ahead: list[Message] = [{"type": "http.request", "body": head, "more_body": more}]

    async def received() -> Message:
        return ahead.pop() if ahead else await receive()

    return received


class Rest:
    """How long nothing has been sent to a visitor."""

    def __init__(self) -> None:
        self.ends()

    def ends(self) -> None:
        self._since = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait until nothing has been sent for so many seconds."""
        while (left := self._since + seconds - time.monotonic()) > 0:
            time.sleep(left)


class FirstPage:
    """Streamlit's own page, with what stands on it until its scripts have drawn another.

    Args:
        folder: with Streamlit's ``index.html``.
        address: of the page that visitors open first.
        waiting: what stands there, as HTML, by what the address has behind its question mark and by the number of the
            browser; nothing where these say that another thing will be drawn.
    """

    def __init__(self, folder: Path, address: str, waiting: Callable[[str, str], str]) -> None:
        self._file, self._address, self._waiting = folder / _INDEX, address, waiting

    def at(self, scope: Scope) -> str:
        """Return the page for a request; empty where Streamlit's own is sent unchanged."""
        if scope["method"] != "GET" or scope["path"] != self._address:
            return ""
        seen = self._waiting(scope["query_string"].decode("latin-1"), _browser(scope))
        return _put_in(self._file, seen) if seen else ""


class OwnScripts:
    """Answer for Streamlit's scripts from memory; a page names in its head those that it is drawn with.

    Args:
        folder: with Streamlit's ``index.html`` and, beside it, the list of its files.
        parts: kinds of widgets on the first page, as Streamlit's scripts call them; one that it does not know is
            left out.
        fonts: by their files' names, those of which it writes.
        rest: ends with whatever a page is sent, but for what a machine asks that looks after this one.
        first: sent in place of Streamlit's, where it has anything to show.
    """

    def __init__(
        self,
        app: ASGIApp,
        folder: Path,
        parts: Collection[str],
        fonts: Collection[str],
        rest: Rest,
        first: FirstPage,
    ) -> None:
        self._app, self._rest, self._first = app, rest, first
        files = _listed(folder / "manifest.json")
        at_once = set(_reached(files, [_INDEX]))
        later = [file for file in _reached(files, _called(files, parts)) if file not in at_once]
        letters = [files[entry]["file"] for entry in _called(files, fonts)]
        self._named = ", ".join(
            [f"<./{file}>; rel=modulepreload" for file in later]
            + [f"<./{file}>; rel=preload; as=font; crossorigin" for file in letters]
        )
        here = [file for file in {*at_once, *later} if Path(file).suffix in _KINDS and (folder / file).is_file()]
        self._held = {f"/{file}": (folder / file).read_bytes() for file in here}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._app(scope, receive, self._noting(send))
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] in self._held and "range" not in Headers(scope=scope):
            self._rest.ends()
            # The name of each file changes with what is in it; Streamlit says the same.
            kind = {"cache-control": "public, immutable, max-age=31536000"}
            kind["content-type"] = _KINDS[Path(scope["path"]).suffix]
            await Response(self._held[scope["path"]], headers=kind)(scope, receive, send)
        elif page := self._first.at(scope):
            await _page(page, scope)(scope, receive, _on_pages(send, self._name))
        else:
            await self._app(scope, receive, _on_pages(send, self._name))

    def _noting(self, send: Send) -> Send:
        async def noted(message: Message) -> None:
            self._rest.ends()
            await send(message)

        return noted

    def _name(self, headers: MutableHeaders) -> None:
        self._rest.ends()
        if self._named:
            headers.append("link", self._named)


def _page(page: str, scope: Scope) -> Response:
    # No store: the same address shows another thing as soon as a visitor has done anything, also to who comes back.
    headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store", "vary": "accept-encoding"}
    if "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
        return Response(page, headers=headers)
    return Response(_short(page), headers=headers | {"content-encoding": "gzip"})


def answer_at_once(port: int) -> None:
    """Let the system send what is written, though the other side has not confirmed what came before.

    Python's event loop sees to that for sockets that it makes itself. The one at ``port`` was made by Streamlit, in a
    way by which it is not known for one of these; those that it accepts take after it. Without this, every answer
    took 40 milliseconds. Where a system does not list what a process has open, nothing is done.
    """
    for file in _open_files():
        try:
            found = socket.socket(fileno=file)
        except OSError:
            os.close(file)
            continue
        with found:
            if found.family in (socket.AF_INET, socket.AF_INET6) and found.getsockname()[1] == port:
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _open_files() -> Iterator[int]:
    for name in os.listdir(_OPEN_FILES) if _OPEN_FILES.is_dir() else ():
        try:
            yield os.dup(int(name))
        except OSError:  # the folder's own
            continue


@cache
def _put_in(index: Path, seen: str) -> str:
    """Streamlit's page with this in front of what it will draw; nothing where it has no such place, or several."""
    page = index.read_text(encoding="utf-8")
    return page.replace(_PLACE, _PLACE + seen) if page.count(_PLACE) == 1 else ""


@cache
def _short(page: str) -> bytes:
    return gzip.compress(page.encode(), mtime=0)


def _listed(manifest: Path) -> dict[str, Any]:
    """What Streamlit's bundler tells of each file; nothing where it told in another manner."""
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        return {name: file for name, file in found.items() if isinstance(file["file"], str)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _called(files: Mapping[str, Any], names: Collection[str]) -> list[str]:
    """Entries whose source has such a name: ``…/Button/Button.tsx`` for ``Button``."""
    return [entry for entry in files if Path(entry).stem in names and entry.endswith((".tsx", ".woff2"))]


def _reached(files: Mapping[str, Any], entries: Collection[str]) -> Iterator[str]:
    found, ahead = set(), list(entries)
    while ahead:
        entry = ahead.pop()
        if entry in files and entry not in found:
            found.add(entry)
            yield files[entry]["file"]
            yield from files[entry].get("css", ())
            ahead.extend(files[entry].get("imports", ()))
