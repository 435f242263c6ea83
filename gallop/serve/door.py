"""Whom the service lets in, and what every answer has in common: one pass around all of it, in ASGI.

A body that nobody has read to its end is read on for a moment and forgotten: a sender that is cut off while it sends
would not see the answer that says why.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gallop.serve.interface.routes import OPEN, STATE, error_answer
from gallop.serve.options import key_is_known
from gallop.serve.refusals import GONE, Refusal, mistake
from gallop.serve.service import Service
from gallop.serve.watching import log, log_failure
from gallop.wording import listed

MOST_REQUESTS = 512
"""That are admitted at a time: those that wait for their turn, and those that are still coming."""
LINGER = 5.0
"""Seconds in which the rest of a body is read after its answer."""
ADMITTED = "admitted"
"""In a request's scope: whether it counts. What is refused does not, nor what needs no key: strangers could otherwise
keep out those who have one."""


class Door:
    """Ask for a key, refuse what is too much, and see every request to its end.

    Args:
        app: the interface.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._admitted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        visit = _Visit(scope, receive, send, self._service)
        self._service.here += 1
        refused = self._refused(scope, Headers(scope=scope))
        scope[ADMITTED] = refused is None and scope["path"] not in OPEN
        self._admitted += scope[ADMITTED]
        try:
            answer = self._app if refused is None else error_answer(refused)
            await answer(scope, visit.receive, visit.send)
        except Exception as error:
            log_failure("mistake", error, id=visit.id)
            if not visit.status:
                await error_answer(mistake())(scope, visit.receive, visit.send)
        finally:
            self._service.here -= 1
            self._admitted -= scope[ADMITTED]
            visit.end()

    def _refused(self, scope: Scope, headers: Headers) -> Refusal | None:
        service, path = self._service, scope["path"]
        if service.stopping and path not in STATE:
            return Refusal("The service is stopping: send it to another one.", 503, "stopping", retry_after=5)
        stranger = self._of_a_stranger(path, headers)
        if stranger is None and self._admitted >= MOST_REQUESTS and path not in STATE:
            return Refusal("Too many requests are here: send it again in a second.", 429, "busy", retry_after=1)
        return stranger

    def _of_a_stranger(self, path: str, headers: Headers) -> Refusal | None:
        if self._service.options.keys:
            return None if path in OPEN or self._has_key(headers) else _no_key()
        return self._of_another_site(headers)

    def _has_key(self, headers: Headers) -> bool:
        kind, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
        return key_is_known(given, self._service.options.keys)

    def _of_another_site(self, headers: Headers) -> Refusal | None:
        """Without a key, a page of another site could send photos here from a browser of this machine, or read answers
        after it has given its own name this machine's address.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        name = host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host
        if name.strip("[]").lower() not in self._service.options.names:
            return Refusal(
                f"This service is called {listed(self._service.options.names)}, and by no other name without a key. "
                "Start it with --allowed-host NAME for a further one, or with a key.",
                421,
                "another_host",
            )
        if origin is not None and origin.partition("://")[2] != host:
            return Refusal("Pages of other sites are not answered without a key.", 403, "another_site")
        return None


def _no_key() -> Refusal:
    return Refusal(
        "A key is needed, and this request has none that is known: send the header 'Authorization: Bearer KEY'.",
        401,
        "no_key",
    )


class _Visit:
    """One request: what came, what went, how long it took."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, service: Service) -> None:
        self._scope, self._receive, self._send, self._service = scope, receive, send, service
        headers = Headers(scope=scope)
        self.id = secrets.token_hex(8)
        self.status = 0
        self._whole = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._gone = False
        self._bytes = 0
        self._start = time.monotonic()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        else:
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._sign(message)
        elif not message.get("more_body", False) and not self._whole and not self._gone:
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    def _sign(self, message: MutableMapping[str, Any]) -> None:
        headers = MutableHeaders(scope=message)
        headers["x-request-id"] = self.id
        headers["x-content-type-options"] = "nosniff"
        headers["cache-control"] = "no-store"
        if not self._whole or self._service.stopping:
            headers["connection"] = "close"

    async def _linger(self) -> None:
        async def rest() -> None:
            while not (self._whole or self._gone):
                await self.receive()

        try:
            await asyncio.wait_for(rest(), LINGER)
        except asyncio.TimeoutError:
            return

    def end(self) -> None:
        """Count it, and write its line."""
        route = getattr(self._scope.get("route"), "path", "none")
        status = GONE if self._gone and self.status in (0, GONE) else self.status
        seconds = time.monotonic() - self._start
        metrics = self._service.metrics
        metrics.requests.labels(route, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        facts = self._scope.get("facts", {})
        level = logging.INFO if status < 500 else logging.WARNING
        known = {"id": self.id, "method": self._scope["method"][:16], "route": route, "status": status}
        log("request", level, **known, ms=round(1000 * seconds, 1), bytes=self._bytes, **facts)
