"""Whom the server lets in: pages of its own. Knows no Streamlit.

By which names a page may call the server is in ``.streamlit/config.toml``; that it was the server who sent it, here.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

POLICY_VIOLATION = 1008


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
