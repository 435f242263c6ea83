"""What a browser is sent before the page itself: Streamlit's own scripts, without delay, and what is seen until then.

Knows no Streamlit. That reads each of its hundred scripts anew for every visitor, the browser hears of those that a
page is drawn with only when it has the page, and each answer waits for the browser to confirm its head: together as
long as all the rest.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.doors import browser_of

_INDEX = "index.html"
_PLACE = '<div id="root"></div>'
"""In it: where Streamlit's scripts draw the page, all of it."""
_FOR_EVER = "public, immutable, max-age=31536000"
"""The name of each file changes with what is in it; Streamlit says the same."""
_NEVER = "no-store"
"""The same address shows another thing as soon as a visitor has done anything, also to who comes back to it."""
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
"""Not as the system has it: on some a script is plain text, which no browser runs."""
_OPEN_FILES = Path("/dev/fd")


class Rest:
    """How long nothing has been sent to a visitor."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def ends(self) -> None:
        self._since = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Until nothing has been sent for so long."""
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
        """Return the page for who asks for it; nothing where Streamlit's own is to be sent as it is."""
        if scope["method"] != "GET" or scope["path"] != self._address:
            return ""
        browser = browser_of(Headers(scope=scope).get("cookie", ""))
        seen = self._waiting(scope["query_string"].decode("latin-1"), browser)
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
            kind = {"content-type": _KINDS[Path(scope["path"]).suffix], "cache-control": _FOR_EVER}
            await _sent(self._held[scope["path"]], kind, send)
        elif page := self._first.at(scope):
            await self._page(page, scope, self._naming(send))
        else:
            await self._app(scope, receive, self._naming(send))

    async def _page(self, page: str, scope: Scope, send: Send) -> None:
        headers = {"content-type": "text/html; charset=utf-8", "cache-control": _NEVER, "vary": "accept-encoding"}
        short = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        if short:
            headers["content-encoding"] = "gzip"
        await _sent(_short(page) if short else page.encode(), headers, send)

    def _noting(self, send: Send) -> Send:
        async def noted(message: Message) -> None:
            self._rest.ends()
            await send(message)

        return noted

    def _naming(self, send: Send) -> Send:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    self._rest.ends()
                    if self._named:
                        headers.append("link", self._named)
            await send(message)

        return named


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
    """Copies of this process's open files."""
    if not _OPEN_FILES.is_dir():
        return
    for name in os.listdir(_OPEN_FILES):
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


async def _sent(body: bytes, headers: Mapping[str, str], send: Send) -> None:
    found = [(name.encode(), value.encode()) for name, value in {**headers, "content-length": str(len(body))}.items()]
    await send({"type": "http.response.start", "status": 200, "headers": found})
    await send({"type": "http.response.body", "body": body})


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
    """Their files, and all that these cannot do without."""
    found, ahead = set(), list(entries)
    while ahead:
        entry = ahead.pop()
        if entry in files and entry not in found:
            found.add(entry)
            yield files[entry]["file"]
            yield from files[entry].get("css", ())
            ahead.extend(files[entry].get("imports", ()))
