"""A hub of weights on this machine: it answers as the one on the internet does, as far as downloads ask."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.http_server import Answers, listening

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it has, and how it behaves.

    Attributes:
        files: content by ``organisation/repository/file``.
        gated: whoever asks has to accept a licence first.
        pause: seconds between two pieces of a file.
        asked: the method and path of each request.
        leave: let nobody be there any more: whoever connects is refused.
    """

    files: dict[str, bytes]
    gated: bool = False
    pause: float = 0.0
    asked: list[str] = field(default_factory=list)
    address: str = ""
    leave: Callable[[], None] = lambda: None


@contextmanager
def weight_server(hub: Hub) -> Iterator[Hub]:
    class Answer(Answers):
        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            content = self._head()
            if content is None:
                return
            for i in range(0, len(content), 2**16):
                try:
                    self.wfile.write(content[i : i + 2**16])
                    self.wfile.flush()
                except OSError:  # who asked has gone
                    break
                time.sleep(hub.pause)
            self.close_connection = True

        def _head(self) -> bytes | None:
            hub.asked.append(f"{self.command} {self.path}")
            content = hub.files.get(self.path.lstrip("/").replace("resolve/main/", ""))
            if hub.gated:
                self.send_response(401)
                self.send_header("X-Error-Code", "GatedRepo")
            elif content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
            else:
                self.send_response(200)
                revision = self.path.partition("/resolve/")[2].partition("/")[0]
                commit = COMMIT if revision in ("", "main") else hashlib.sha1(revision.encode()).hexdigest()
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                return content
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")  # one that was kept would be answered after ``leave``
            self.end_headers()
            return None

    with listening(Answer) as server:
        hub.address, hub.leave = server.address, server.leave
        yield hub
