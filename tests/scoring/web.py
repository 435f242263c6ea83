"""A server of photos on this machine that can be told to stop answering, and how."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.http_server import Answers, listening


@dataclass
class Web:
    """What it has, and how it behaves.

    Attributes:
        files: content by name.
        broken: names for which it has nothing but an error of its own, always.
        asked: names, as they are asked for.
        leads: by name, the address that it says a file has.
        parts: whether it sends parts of files.
        sent: of each answer, how many bytes it had.
    """

    files: Mapping[str, bytes]
    broken: set[str] = field(default_factory=set)
    leads: Mapping[str, str] = field(default_factory=dict)
    parts: bool = True
    asked: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    address: str = ""
    ended: threading.Event = field(default_factory=threading.Event)
    _how: str = ""
    _at: str = ""

    def stops(self, how: str = "", at: str = "") -> None:
        """From the moment at which a file is asked for: it ``closes`` connections, is ``busy``, ``refuses``, as a
        server does whose database is gone, ``waits`` without an answer, or ``drips`` one; or it goes on, with nothing.
        """
        self._how, self._at = how, at

    def now(self, name: str) -> str:
        if name == self._at:
            self._at = ""
        return "" if self._at else self._how


@contextmanager
def web(files: Mapping[str, bytes]) -> Iterator[Web]:
    kept = Web(files)

    class Answer(Answers):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            kept.asked.append(name)
            how = kept.now(name)
            if how in ("closes", "waits", "drips"):
                self.close_connection = True
                with suppress(OSError):  # nobody listens any more
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n" if how == "drips" else b"")
                    while how != "closes" and not kept.ended.wait(0.05):
                        self.wfile.write(b"X-Slow: 1\r\n" if how == "drips" else b"")
                self.connection.close()
                return
            status = {"busy": 503, "refuses": 500}.get(how, 200)
            status = 500 if name in kept.broken else status if name in kept.files else 404
            content, part = kept.files.get(name, b"") if status == 200 else b"", self.headers.get("Range")
            if part and kept.parts and status == 200:
                first, last = map(int, part.removeprefix("bytes=").split("-"))
                whole, content, status = len(content), content[first : last + 1], 206
            self.send_response(302 if name in kept.leads else status)
            if name in kept.leads:
                self.send_header("Location", kept.leads[name])
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{first + len(content) - 1}/{whole}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            kept.sent.append(len(content))
            self.wfile.write(content)

    with listening(Answer) as server:
        kept.address = server.address
        yield kept
        kept.ended.set()
