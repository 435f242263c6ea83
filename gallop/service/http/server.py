"""Run the server of a service: its socket, access, slow clients, its log, and how it stops.

The log has a line of JSON for each event, and nothing of a photo, a file's name, an address or a key.

After a signal to stop, it refuses new requests (503) on the open connections, answers those that it has accepted, and
closes its socket when that is done.
"""

from __future__ import annotations

import asyncio
import json
import logging.config
import secrets
import socket
import time
import traceback
from typing import Any

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gallop.errors import CommandError
from gallop.runtime.hosts import is_named
from gallop.service.http.options import key_is_known
from gallop.service.http.service import OPEN, STATE, Refusal, Service, error_answer, make_app
from gallop.wording import listed, one_line

# That are admitted at a time: those that wait for their turn, and those that are still arriving.
MOST_REQUESTS = 512
# One more takes the place of one without a request that counts: systems allow a process some 1,000 open files. More
# than MOST_REQUESTS, so that there always is one.
MOST_CONNECTIONS = 900
# In which the head of a connection's first request has to arrive; in which the client has to read some of an answer.
HEAD_SECONDS, READ_SECONDS = 10.0, 30.0
# Seconds after the signal to stop in which requests that were already sent still get an answer.
SETTLE = 0.5
# In a request's scope: whether it counts. Refused requests do not, nor those that need no key: strangers could
# otherwise keep out users who have one.
_ADMITTED = "admitted"


_log = logging.getLogger("gallop.service.http")


def log(event: str, level: int = logging.INFO, error: BaseException | None = None, **facts: Any) -> None:
    """Log an event, and the error that it is about."""
    _log.log(level, event, exc_info=error, extra={"facts": {"event": event} | facts})


class JsonLines(logging.Formatter):
    """Writes each record as one line of JSON; of an error kind and place, since its words may quote anything."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {"time": f"{at}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        fields |= getattr(record, "facts", None) or {"event": "server", "message": one_line(record.getMessage())}
        if record.exc_info and record.exc_info[1] is not None:
            frames = traceback.extract_tb(record.exc_info[1].__traceback__)[-12:]
            places = [f"{'/'.join(each.filename.split('/')[-3:])}:{each.lineno} {each.name}" for each in frames]
            fields |= {"error": type(record.exc_info[1]).__name__, "at": places}
        return json.dumps(fields, default=str)


LOG_AS_JSON: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonLines}},
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        name: {"level": level, "handlers": ["json"], "propagate": False}
        for name, level in {
            "gallop.service.http": "INFO",
            "uvicorn": "WARNING",
            "asyncio": "WARNING",
            "python_multipart": "CRITICAL",  # it quotes what was sent
        }.items()
    },
}
"""For ``logging.config``: a line of JSON for each event to standard error, warnings of the server's libraries too."""


class Door:
    """Checks keys, refuses requests beyond the limits, and logs every request.

    Args:
        app: the interface.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._admitted = app, service, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service, start, path = self._service, time.monotonic(), scope["path"]
        facts = scope["facts"] = {"id": secrets.token_hex(8), "method": scope["method"][:16], "status": 0, "bytes": 0}

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
                extra = {"x-request-id": facts["id"], "x-content-type-options": "nosniff", "cache-control": "no-store"}
                # Not where a body may be on its way: its sender would be cut off before it sees the answer.
                last = {"connection": "close"} if service.stopping and refused is None else {}
                MutableHeaders(scope=message).update(extra | last)
            await send(message)

        refused = self._refused(path, Headers(scope=scope))
        scope[_ADMITTED] = refused is None and path not in OPEN
        service.here += 1
        self._admitted += scope[_ADMITTED]
        try:
            await (self._app if refused is None else error_answer(refused))(scope, receive, say)
        except Exception as error:  # which has been answered
            log("mistake", logging.ERROR, error, id=facts["id"])
        finally:
            service.here -= 1
            service.held -= facts["bytes"]
            self._admitted -= scope[_ADMITTED]
            seconds, route = time.monotonic() - start, getattr(scope.get("route"), "path", "none")
            level = logging.INFO if facts["status"] < 500 else logging.WARNING
            log("request", level, model=service.options.name, route=route, ms=round(1000 * seconds, 1), **facts)

    def _refused(self, path: str, headers: Headers) -> Refusal | None:
        """Without a key, a page of another site could send photos here from a browser of this machine, or read answers
        after it has given its host name this machine's address.
        """
        options, host = self._service.options, headers.get("host", "")
        if self._service.stopping and path not in STATE:
            return Refusal("The service is shutting down: try again soon, or use another.", 503, "stopping")
        if options.keys:
            kind, _, token = headers.get("authorization", "").partition(" ")
            given = token.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
            if path not in OPEN and not key_is_known(given, options.keys):
                why = "This request needs a valid key: send the header 'Authorization: Bearer KEY'."
                return Refusal(why, 401, "no_key")
        elif not is_named(host, options.names):
            why = f"Without a key, this service only accepts the host names {listed(options.names)}. Start it with "
            return Refusal(f"{why}--allowed-host NAME to add one, or with a key.", 421, "another_host")
        elif headers.get("origin", f"://{host}").partition("://")[2] != host:
            return Refusal("Requests from pages of other sites need a key.", 403, "another_site")
        if self._admitted >= MOST_REQUESTS and path not in STATE:
            return Refusal("There are too many requests: try again in a second.", 429, "busy")
        return None


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to this machine's address, not yet listening.

    Raises:
        CommandError: the address is not this machine's, or the port is taken or not allowed.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Its protocol is named: only on such sockets does asyncio send small answers at once.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise CommandError(
            f"The service cannot listen on {host}, port {port} ({error.strerror}): choose another --port, or set "
            "--host to an address of this machine."
        ) from error
    return bound


def serve(service: Service, listening: socket.socket) -> None:
    """Serve until the process gets a signal to stop (SIGTERM, Ctrl-C), and then finish the accepted requests."""
    logging.config.dictConfig(LOG_AS_JSON)
    log("start", model=service.options.name, port=listening.getsockname()[1])
    try:
        ServiceServer(service).run([listening])
    finally:
        service.close()
        log("stop")


class ServiceServer(uvicorn.Server):
    """uvicorn's server, which closes connections at a signal to stop; this one answers first."""

    def __init__(self, service: Service) -> None:
        self._service = service
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
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
            callback_notify=service.tidy,
            timeout_notify=5,
        )
        super().__init__(config)

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
    """Adds limits on connections, on the time in which a head arrives and an answer is read, and our format of errors
    where there is no request.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._since = self.loop.time()
        self.timeout_keep_alive_task = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)
        if len(self.connections) > MOST_CONNECTIONS:
            others: Any = self.connections - {self}
            dropped = min(others, key=_Protocol._worth)
            self.connections.discard(dropped)  # connection_lost is called later
            dropped.transport.abort()

    def _worth(self) -> tuple[bool, bool, float]:
        """Whether it is answered and was admitted: the oldest that never was goes first, then the oldest at rest."""
        scope: Any = self.scope  # None before the first request, whatever its type says
        admitted = bool(scope and scope.get(_ADMITTED))
        return admitted and not self.cycle.response_complete, admitted, self._since

    def data_received(self, data: bytes) -> None:
        """Leave the clock running, unlike uvicorn, until a head is complete: one could be sent byte by byte."""
        self.conn.receive_data(data)
        self.handle_events()

    def timeout_keep_alive_handler(self) -> None:
        cycle: Any = self.cycle  # None before the first, whatever its type says
        if cycle and cycle.response_complete:
            super().timeout_keep_alive_handler()
        elif not cycle and not self.transport.is_closing():
            why = f"The head of a request must arrive within {HEAD_SECONDS:g} s: send it again."
            self._say("408 Request Timeout", "too_slow", why)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stuck.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._say("400 Bad Request", "bad_http", "This is not a valid HTTP request.")

    def _say(self, status: str, code: str, why: str) -> None:
        """Answer without a request; written to the transport directly, since h11 may be in an error state."""
        body = json.dumps({"error": {"code": code, "message": why}})
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        self.transport.close()
