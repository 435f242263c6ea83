"""A server of HTTP on this machine, in a thread, for tests that want to be answered in their own way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Answers(BaseHTTPRequestHandler):
    """How it answers; says nothing of it on standard error."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass


class StaticFiles(SimpleHTTPRequestHandler):
    """Lets nobody keep an older file than the folder holds; says nothing of what is asked."""

    log_message = Answers.log_message

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


@dataclass(frozen=True)
class Listening:
    """Where it listens, with the port, and how it is made to stop before its time."""

    host: str
    leave: Callable[[], None]

    @property
    def address(self) -> str:
        return f"http://{self.host}"


@contextmanager
def listening(answers: Callable[..., BaseHTTPRequestHandler]) -> Iterator[Listening]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    server.daemon_threads = True  # an answer that is never read does not keep it, nor a browser's connection
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def leave() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    try:
        yield Listening(f"127.0.0.1:{server.server_port}", leave)
    finally:
        leave()


@contextmanager
def served_folder(folder: Path) -> Iterator[str]:
    """The address of a folder's files, as a host of static files serves them."""
    with listening(partial(StaticFiles, directory=str(folder))) as server:
        yield f"{server.address}/"
