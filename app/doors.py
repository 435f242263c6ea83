"""Same-origin check and session cookie. Knows no Streamlit.

By which names a page may call the server is in ``.streamlit/config.toml``; that it was the server who sent it, here.
"""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY_VIOLATION = 1008
BROWSER = "gallop_browser"
"""The cookie that a browser is known again by: a random number, which says nothing of who uses it."""
_A_MONTH = 30 * 24 * 3600
_NUMBER = "[0-9a-f]{32}"


class OwnPagesOnly:
    """Refuse a websocket that a page of another site opens.

    Streamlit would refuse it too, but would ask a server on the internet first by what address this machine is known
    there: the page might come from that.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not own_page(Headers(scope=scope)):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await self._app(scope, receive, send)


def own_page(headers: Headers) -> bool:
    """Whether the page is of the very server that it asks; a program that is no browser may name no page."""
    origin, host = headers.get("origin"), headers.get("host")
    return origin is None or origin.partition("://")[2] == host


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
        number = browser_of(Headers(scope=scope).get("cookie", "")) or secrets.token_hex(16)
        cookie = f"{BROWSER}={number}; Path={self._path}; Max-Age={_A_MONTH}; HttpOnly; SameSite=Lax"
        if scope["scheme"] == "https":
            cookie += "; Secure"

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", cookie)
            await send(message)

        await self._app(scope, receive, telling)


def browser_of(cookies: str) -> str:
    """Return the number in what a browser sends as its cookies; nothing where it has none, or keeps none."""
    found = re.search(rf"(?:^|;\s*){BROWSER}=({_NUMBER})(?:;|$)", cookies)
    return found[1] if found else ""
