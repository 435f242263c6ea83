"""Run the server of a service: its socket, access, slow clients, and how it stops.

A body that was not read to its end is read for a moment longer and discarded: a sender that is cut off while it sends
would not see the answer with the reason.

After a signal to stop, it refuses new requests (503) on the open connections, answers those that it has accepted, and
closes its socket when that is done.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import secrets
import socket
import time
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gallop.errors import CommandError
from gallop.runtime.hosts import is_named
from gallop.service.http.options import key_is_known
from gallop.service.http.refusals import GONE, Refusal, mistake
from gallop.service.http.routes import OPEN, STATE, error_answer, make_app
from gallop.service.http.service import Service
from gallop.service.http.watching import log, log_as_json, log_failure
from gallop.wording import listed

MOST_REQUESTS = 512
"""That are admitted at a time: those that wait for their turn, and those that are still arriving."""
LINGER = 5.0
"""Seconds in which the rest of a body is read after its answer."""
ADMITTED = "admitted"
"""In a request's scope: whether it counts. Refused requests do not, nor those that need no key: strangers could
otherwise keep out users who have one."""


class Door:
    """Checks keys, refuses requests beyond the limits, and logs every request.

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
            return Refusal(
                "The service is shutting down: try again soon, or use another server.", 503, "stopping", retry_after=5
            )
        stranger = self._of_a_stranger(path, headers)
        if stranger is None and self._admitted >= MOST_REQUESTS and path not in STATE:
            return Refusal("There are too many requests: try again in a second.", 429, "busy", retry_after=1)
        return stranger

    def _of_a_stranger(self, path: str, headers: Headers) -> Refusal | None:
        """Without a key, a page of another site could send photos here from a browser of this machine, or read answers
        after it has given its host name this machine's address.
        """
        options = self._service.options
        if options.keys:
            kind, _, token = headers.get("authorization", "").partition(" ")
            given = token.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
            if path in OPEN or key_is_known(given, options.keys):
                return None
            return Refusal(
                "This request needs a valid key: send the header 'Authorization: Bearer KEY'.",
                401,
                "no_key",
            )
        host, origin = headers.get("host", ""), headers.get("origin")
        if not is_named(host, options.names):
            return Refusal(
                f"Without a key, this service only accepts the host names {listed(options.names)}. Start it with "
                "--allowed-host NAME to add one, or with a key.",
                421,
                "another_host",
            )
        if origin is not None and origin.partition("://")[2] != host:
            return Refusal("Requests from pages of other sites need a key.", 403, "another_site")
        return None


class _Visit:
    """One request: what was received, what was sent, how long it took."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, service: Service) -> None:
        self._scope, self._receive, self._send, self._service = scope, receive, send, service
        headers = Headers(scope=scope)
        self.id, self.status = secrets.token_hex(8), 0
        self._complete = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._gone, self._bytes = False, 0
        self._start = time.monotonic()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        else:
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update({"x-request-id": self.id, "x-content-type-options": "nosniff", "cache-control": "no-store"})
            if not self._complete or self._service.stopping:
                headers["connection"] = "close"
        elif not message.get("more_body", False) and not self._complete and not self._gone:
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _linger(self) -> None:
        async def rest() -> None:
            while not (self._complete or self._gone):
                await self.receive()

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(rest(), LINGER)

    def end(self) -> None:
        route = getattr(self._scope.get("route"), "path", "none")
        status = GONE if self._gone and self.status in (0, GONE) else self.status
        seconds = time.monotonic() - self._start
        self._service.metrics.requests.labels(route, str(status)).inc()
        self._service.metrics.seconds.labels(route).observe(seconds)
        log(
            "request",
            logging.INFO if status < 500 else logging.WARNING,
            id=self.id,
            method=self._scope["method"][:16],
            route=route,
            status=status,
            ms=round(1000 * seconds, 1),
            bytes=self._bytes,
            **self._scope.get("facts", {}),
        )


HEAD_SECONDS = 10.0
"""In which a request's head has to arrive, counted from its first byte or from the connection."""
READ_SECONDS = 30.0
"""In which the client has to read some of the answer."""
IDLE_SECONDS = 30
"""In which a connection stays open for the next request."""
MOST_CONNECTIONS = 900
"""One more takes the place of one without a request that counts: systems allow a process some 1,000 open files."""
SETTLE = 0.5
"""Seconds after the signal to stop in which requests that were already sent still get an answer."""


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to this machine's address, not yet listening.

    Raises:
        CommandError: the address is not this machine's, or the port is taken or not allowed.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CommandError(
            f"The address {host!r} cannot be found ({error.strerror}): set --host to an address of this machine."
        ) from error
    # Its protocol is named: only on such sockets does asyncio send small answers at once.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise CommandError(
            f"The service cannot listen on {host}, port {port} ({error.strerror}): choose another --port, or set "
            "--host to an address of this machine."
        ) from error
    return bound


def is_this_machine(host: str) -> bool:
    """Return whether only programs of this machine can reach a host.

    >>> [is_this_machine(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "lab-pc")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(service: Service, listening: socket.socket) -> None:
    """Serve until the process gets a signal to stop (SIGTERM, Ctrl-C), and then finish the accepted requests."""
    log_as_json()
    log("start", models=list(service.options.models), port=listening.getsockname()[1])
    try:
        make_server(service).run([listening])
    finally:
        service.close()
        log("stop")


def make_server(service: Service) -> ServiceServer:
    """Return the server of a service, not yet running."""
    return ServiceServer(
        uvicorn.Config(
            Door(make_app(service), service),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=1,
        ),
        service,
    )


class ServiceServer(uvicorn.Server):
    """uvicorn's server, which closes connections at a signal to stop; this one answers first."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new requests, answer the accepted ones, then stop listening."""
        self._service.stopping = True
        log("stopping", requests=self._service.here)
        end = time.monotonic() + self._service.options.stop_within
        await asyncio.sleep(SETTLE)
        while self._service.here and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """Adds a time limit for the arrival of a request's head and for the reading of an answer, and our format of errors
    where there is no request.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            self._drop_one()
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._between_requests():
            self._expect_head()
        else:
            self._stop_timer("head")

    def connection_lost(self, exc: Exception | None) -> None:
        for name in tuple(self._timers):
            self._stop_timer(name)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._timers["read"] = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_timer("read")
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._say(Refusal("This is not a valid HTTP request.", 400, "bad_http"))

    def _drop_one(self) -> None:
        """Close the oldest connection that was never admitted, else the oldest between two requests, else this one."""
        others: Any = self.connections - {self}
        free = [each for each in others if each._between_requests() or not each._let_in]
        dropped = min(free, key=lambda each: (each._let_in, each._since), default=self)
        self.connections.discard(dropped)  # connection_lost is called later
        dropped.transport.abort()

    @property
    def _let_in(self) -> bool:
        known: Any = self.scope  # None before the first request
        return known is not None and bool(known.get(ADMITTED))

    def _between_requests(self) -> bool:
        cycle: Any = self.cycle  # None before the first, whatever its type says
        return cycle is None or bool(cycle.response_complete)

    def _expect_head(self) -> None:
        if "head" not in self._timers:
            self._timers["head"] = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _stop_timer(self, name: str) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()

    def _too_late(self) -> None:
        del self._timers["head"]
        if self._between_requests() and not self.transport.is_closing():
            self._say(
                Refusal(f"The head of a request must arrive within {HEAD_SECONDS:g} s: send it again.", 408, "too_slow")
            )

    def _say(self, refusal: Refusal) -> None:
        """Answer without a request; written to the transport directly, since h11 may be in an error state."""
        body = json.dumps(refusal.body).encode()
        reason = "Bad Request" if refusal.status == 400 else "Request Timeout"
        head = [f"HTTP/1.1 {refusal.status} {reason}", "content-type: application/json", "connection: close"]
        head += [f"content-length: {len(body)}", "", ""]
        self.transport.write("\r\n".join(head).encode() + body)
        self.transport.close()
