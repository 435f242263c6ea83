"""ASGI middleware between a browser and Streamlit's server. Knows no Streamlit.

- The names by which the server is asked, and the pages that open websockets; a cookie that identifies a browser.
- Streamlit's scripts are sent from memory and listed in the response headers, and the page contains a first picture.
  Streamlit reads each of its hundred scripts again for every visitor, the browser learns which ones the page needs
  only from the page, and each response waits until the browser has confirmed its headers: together that takes as long
  as all the rest.
"""

from __future__ import annotations

import gc
import gzip
import json
import re
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gallop.runtime.hosts import LOCAL_NAMES, is_named
from gallop.wording import quoted

POLICY_VIOLATION = 1008
# The cookie that identifies a browser: a random number, which reveals nothing about its user.
BROWSER = "gallop_browser"
_A_MONTH = 30 * 24 * 3600
_INDEX = "index.html"
# The element in it in which Streamlit's scripts draw the page.
_PLACE = '<div id="root"></div>'
# Not from the system's table: on some systems a script is plain text, which no browser runs.
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


class OwnNamesOnly:
    """Refuse what is asked of this server by another name than its own (status 421), and a websocket that a page of
    another site opens.

    Streamlit refuses these websockets too, but sends everything else to anybody, and would first ask a server on the
    internet for this machine's public address, which the page might come from. A program that is not a browser may send
    no origin.

    Args:
        names: as ``gallop.runtime.hosts.is_named`` takes them, beside those of this machine.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app, self._names = app, (*LOCAL_NAMES, *(name.lower() for name in names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, headers = scope["type"], Headers(scope=scope) if scope["type"] in ("http", "websocket") else {}
        host, origin = headers.get("host", ""), headers.get("origin")
        own = is_named(host, self._names)
        if kind == "http" and not own:
            await Response(
                f"This app does not answer to the name {quoted(host)}. If it is called so, start it with that name: "
                "gallop app --host NAME, or streamlit run app/main.py --server.allowedHosts NAME.\n",
                421,
                {"x-content-type-options": "nosniff"},
                "text/plain; charset=utf-8",
            )(scope, receive, send)
        elif kind == "websocket" and not (own and (origin is None or origin.partition("://")[2] == host)):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await self._app(scope, receive, send)


class KnownBrowsers:
    """Give each browser a number, renewed with each page, so that it lasts for a month after the last page.

    The address of a session works only in the browser that started it, since an address is seen on screens, pasted and
    stored in histories. No script can read the number, and a page of another site cannot make the browser send it.

    Args:
        path: the base path of the app; the browser sends the number to no other path.
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
    """Return the number in a browser's cookies; empty where it has none, or stores no cookies."""
    match = re.search(rf"(?:^|;\s*){BROWSER}=([0-9a-f]{{32}})(?:;|$)", Headers(scope=scope).get("cookie", ""))
    return match[1] if match else ""


def _on_pages(send: Send, act: Callable[[MutableHeaders], None]) -> Send:
    """Return ``send`` with ``act`` applied to the headers of each response that is a page."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                act(headers)
        await send(message)

    return sending


class Rest:
    """Measures for how long nothing has been sent to a visitor."""

    def __init__(self) -> None:
        self.ends()

    def ends(self) -> None:
        self._since = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait until nothing has been sent for so many seconds."""
        while (left := self._since + seconds - time.monotonic()) > 0:
            time.sleep(left)


def first_page(folder: Path, address: str, waiting: Callable[[str, str], str], scope: Scope) -> str:
    """Return Streamlit's page with a picture that is displayed until its scripts have drawn the app.

    Args:
        folder: with Streamlit's ``index.html``.
        address: of the page that visitors open first.
        waiting: returns the picture, as HTML, for the query of the address and the number of the browser; empty where
            something else will be drawn for these.
        scope: the request; for others the result is empty, and Streamlit's page is sent unchanged.
    """
    if scope["method"] != "GET" or scope["path"] != address:
        return ""
    seen = waiting(scope["query_string"].decode("latin-1"), _browser(scope))
    return _put_in(folder / _INDEX, seen) if seen else ""


class ScriptsFromMemory:
    """Serve Streamlit's scripts from memory; the headers of a page list the scripts that it needs.

    Args:
        folder: with Streamlit's ``index.html`` and, beside it, the list of its files.
        parts: kinds of widgets on the first page, by their names in Streamlit's scripts; unknown ones are left out.
        fonts: names of the font files of the first page.
        rest: ends with each response to a browser, but not with one to a health check.
        first: returns the page that is sent for a request instead of Streamlit's; empty for none.
    """

    def __init__(
        self,
        app: ASGIApp,
        folder: Path,
        parts: Collection[str],
        fonts: Collection[str],
        rest: Rest,
        first: Callable[[Scope], str],
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
            # The name of each file changes with its contents; Streamlit sends the same header.
            kind = {"cache-control": "public, immutable, max-age=31536000"}
            kind["content-type"] = _KINDS[Path(scope["path"]).suffix]
            await Response(self._held[scope["path"]], headers=kind)(scope, receive, send)
        elif page := self._first(scope):
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
    # No store: the same address shows something else as soon as a visitor has done anything.
    headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store", "vary": "accept-encoding"}
    if "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
        return Response(page, headers=headers)
    return Response(_short(page), headers=headers | {"content-encoding": "gzip"})


def answer_at_once(port: int) -> None:
    """Let the system send data before the other side has confirmed earlier data (TCP_NODELAY).

    Python's event loop sets this for sockets that it creates. The one at ``port`` was created by Streamlit, in a way
    that the event loop does not recognise; accepted connections inherit the option. Without it, every response took
    40 milliseconds more. Nobody hands that socket out, so it is looked for among all objects.
    """
    for held in (each for each in gc.get_objects() if type(each) is socket.socket and each.fileno() >= 0):
        if held.family in (socket.AF_INET, socket.AF_INET6) and held.getsockname()[1] == port:
            held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@cache
def _put_in(index: Path, seen: str) -> str:
    """Return Streamlit's page with this picture before the app's element; empty unless there is exactly one."""
    page = index.read_text(encoding="utf-8")
    return page.replace(_PLACE, _PLACE + seen) if page.count(_PLACE) == 1 else ""


@cache
def _short(page: str) -> bytes:
    return gzip.compress(page.encode(), mtime=0)


def _listed(manifest: Path) -> dict[str, Any]:
    """Return the entries of the manifest of Streamlit's bundler; empty where it has another format."""
    try:
        return {
            name: file
            for name, file in json.loads(manifest.read_text(encoding="utf-8")).items()
            if isinstance(file["file"], str)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _called(files: Mapping[str, Any], names: Collection[str]) -> list[str]:
    """Return the entries whose source has one of these names: ``…/Button/Button.tsx`` for ``Button``."""
    return [entry for entry in files if Path(entry).stem in names and entry.endswith((".tsx", ".woff2"))]


def _reached(files: Mapping[str, Any], entries: Collection[str]) -> Iterator[str]:
    reached, ahead = set(), list(entries)
    while ahead:
        entry = ahead.pop()
        if entry in files and entry not in reached:
            reached.add(entry)
            yield files[entry]["file"]
            yield from files[entry].get("css", ())
            ahead.extend(files[entry].get("imports", ()))
