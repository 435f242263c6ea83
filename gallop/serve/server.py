"""The server around a service: its socket, slow clients, and how it stops.

Told to stop, it takes nothing new and says so (503) on the connections that there are, answers what it has accepted,
and closes its socket when that is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from gallop.errors import CommandError
from gallop.serve.door import ADMITTED, Door
from gallop.serve.interface.routes import make_app
from gallop.serve.refusals import Refusal
from gallop.serve.service import Service
from gallop.serve.watching import log, logging_as_json

HEAD_SECONDS = 10.0
"""In which a request's head has to be there once its first byte is, or the connection."""
READ_SECONDS = 30.0
"""In which who asked has to take some of the answer."""
IDLE_SECONDS = 30
"""That a connection is kept for the next request."""
MOST_CONNECTIONS = 900
"""One more takes the place of one that has no request which counts: systems allow a process some 1,000 open files."""
SETTLE = 0.5
"""Seconds after the word to stop in which requests that were on their way are still told."""


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket of this machine's address, on which nobody listens yet.

    Raises:
        CommandError: the address is not this machine's, or the port is taken or not allowed.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CommandError(f"There is no address {host!r} ({error.strerror}).") from error
    # Its protocol is named: asyncio sends small answers at once on those alone.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise CommandError(
            f"The service cannot listen on {host}, port {port} ({error.strerror}): give another --port, or an address "
            "of this machine as --host."
        ) from error
    return found


def is_this_machine(host: str) -> bool:
    """Return whether only programs of this machine reach what listens there.

    >>> [is_this_machine(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "lab-pc")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def serve(service: Service, listening: socket.socket) -> None:
    """Serve until the process is told to stop (SIGTERM, Ctrl-C), and then to the end of what was accepted."""
    with logging_as_json():
        log("start", models=list(service.options.models), port=listening.getsockname()[1])
        try:
            make_server(service).run([listening])
        finally:
            service.close()
            log("stop")


def make_server(service: Service) -> ServiceServer:
    """Return the server of a service, not yet running."""
    config = uvicorn.Config(
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
    )
    return ServiceServer(config, service)


class ServiceServer(uvicorn.Server):
    """uvicorn's server, which closes connections when it is told to stop; this one answers first."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking, answer, then stop listening."""
        self._service.stopping = True
        log("stopping", requests=self._service.here)
        end = time.monotonic() + self._service.options.stop_within
        await asyncio.sleep(SETTLE)
        while self._service.here and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


class _Protocol(H11Protocol):
    """With a time in which a request's head has to come and an answer has to be taken, and our shape of errors where
    there is no request.
    """

    _late: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            self._drop_one()
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._between_requests():
            self._expect_head()
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._say(Refusal("This is no HTTP request that can be read.", 400, "bad_http"))

    def _drop_one(self) -> None:
        """Close the oldest connection that was never let in, else the oldest between two requests, else this one."""
        others: Any = self.connections - {self}
        free = [each for each in others if each._between_requests() or not each._let_in]
        dropped = min(free, key=lambda each: (each._let_in, each._since), default=self)
        self.connections.discard(dropped)  # its end is heard of later
        dropped.transport.abort()

    @property
    def _let_in(self) -> bool:
        known: Any = self.scope  # None before the first request
        return known is not None and bool(known.get(ADMITTED))

    def _between_requests(self) -> bool:
        cycle: Any = self.cycle  # None before the first, whatever its type says
        return cycle is None or bool(cycle.response_complete)

    def _expect_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _too_late(self) -> None:
        self._late = None
        if self._between_requests() and not self.transport.is_closing():
            sentence = f"The head of a request has to be there within {HEAD_SECONDS:g} s: send it again."
            self._say(Refusal(sentence, 408, "too_slow"))

    def _say(self, refusal: Refusal) -> None:
        """An answer where there is no request to answer; written plainly, since h11 may have given up."""
        body = json.dumps(refusal.said).encode()
        reason = "Bad Request" if refusal.status == 400 else "Request Timeout"
        head = [f"HTTP/1.1 {refusal.status} {reason}", "content-type: application/json", "connection: close"]
        head += [f"content-length: {len(body)}", "", ""]
        self.transport.write("\r\n".join(head).encode() + body)
        self.transport.close()
