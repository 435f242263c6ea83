"""A server of photos on this machine that can be told to stop answering, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.http_server import Answers, listening


@dataclass
class Web:
    """What it has, and how it behaves.

    Attributes:
        files: content by name.
        broken: names for which it has nothing but an error of its own, always.
    """

    files: Mapping[str, bytes]
    broken: set[str] = field(default_factory=set)
    address: str = ""
    _how: str = ""
    _at: str = ""

    def stops(self, how: str, at: str) -> None:
        """From the moment at which a file is asked for: it ``closes`` connections, is ``busy``, or ``refuses``, as a
        server does whose database is gone.
        """
        self._how, self._at = how, at

    def goes_on(self) -> None:
        self._how = self._at = ""

    def now(self, name: str) -> str:
        if name == self._at:
            self._at = ""
        return "" if self._at else self._how


@contextmanager
def web(files: Mapping[str, bytes]) -> Iterator[Web]:
    kept = Web(files)

    class Answer(Answers):
        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            content = self._head()
            if content is not None:
                self.wfile.write(content)

        def _head(self) -> bytes | None:
            name = self.path.lstrip("/")
            how = kept.now(name)
            if how == "closes":
                self.close_connection = True
                self.connection.close()
                return None
            content = kept.files.get(name)
            status = {"busy": 503, "refuses": 500}.get(how, 404 if content is None else 200)
            if name in kept.broken:
                status = 500
            self.send_response(status)
            content = content if status == 200 else None
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            return content

    with listening(Answer) as server:
        kept.address = server.address
        yield kept
