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
        files: content by ``organisation/repository/file``, on other branches ``.../resolve/BRANCH/file``.
        gated: whoever asks has to accept a licence first.
        pause: seconds between two pieces of a file.
        breaks: after how many bytes each of the next answers with a file ends.
        stalls: seconds before the first byte of a file.
        longer: by how many bytes the file is longer than announced, by what is asked before it is fetched.
        sends: is sent in place of a file, by the same name.
        ranges: how it answers those who ask for a part: it is ``sent``, ``ignored`` (the whole file comes), ``shifted``
            (the part begins a byte later) or ``refused``.
        tag: is sent in place of a file's digest.
        main: the commit of the main branch.
        after: is called with each path once it was answered.
        asked: the method and path of each request.
        begins: the first byte that each request of a file asked for.
        leave: let nobody be there any more: whoever connects is refused.
    """

    files: dict[str, bytes]
    gated: bool = False
    pause: float = 0.0
    breaks: list[int] = field(default_factory=list)
    stalls: float = 0.0
    longer: int = 0
    sends: dict[str, bytes] = field(default_factory=dict)
    ranges: str = "sent"
    tag: str = ""
    main: str = COMMIT
    after: Callable[[str], object] = lambda path: None
    asked: list[str] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    address: str = ""
    leave: Callable[[], None] = lambda: None

    def commit(self, branch: str) -> str:
        """Return what a branch points to; a commit is its own name."""
        return branch if len(branch) == len(COMMIT) else hashlib.sha1(branch.encode()).hexdigest()

    def find(self, path: str) -> tuple[str, str]:
        """Return the name of a file among ``files`` and its commit."""
        repository, _, rest = path.lstrip("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        if revision in ("main", self.main):
            return f"{repository}/{file}", self.main
        branches = {name.partition("/resolve/")[2].partition("/")[0] for name in self.files}
        branch = next((name for name in branches if self.commit(name) == revision), revision)
        return f"{repository}/resolve/{branch}/{file}", self.commit(branch)


@contextmanager
def weight_server(hub: Hub) -> Iterator[Hub]:
    class Answer(Answers):
        def do_HEAD(self) -> None:
            self._head(longer=-hub.longer)

        def do_GET(self) -> None:
            begins = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
            if "/resolve/" in self.path:  # the client asks for other things too
                hub.begins.append(begins)
            if begins and hub.ranges != "sent":
                begins = {"ignored": 0, "shifted": begins + 1, "refused": -1}[hub.ranges]
            content = self._head(begins)
            if content is None:
                return
            time.sleep(hub.stalls)
            ends = begins + hub.breaks.pop(0) if hub.breaks else len(content)
            content = hub.sends.get(hub.find(self.path)[0], content)[:ends]
            for i in range(begins, len(content), 2**16):
                try:
                    self.wfile.write(content[i : i + 2**16])
                    self.wfile.flush()
                except OSError:  # who asked has gone
                    break
                time.sleep(hub.pause)
            self.close_connection = True
            hub.after(self.path)

        def _head(self, begins: int = 0, longer: int = 0) -> bytes | None:
            hub.asked.append(f"{self.command} {self.path}")
            name, commit = hub.find(self.path)
            content = hub.files.get(name)
            # A connection that was kept would be answered after ``leave``.
            status, headers = 416, {"Content-Length": "0", "Connection": "close"}
            if hub.gated:
                status, headers["X-Error-Code"] = 401, "GatedRepo"
            elif content is None:
                status, headers["X-Error-Code"] = 404, "EntryNotFound"
            elif begins >= 0:
                status, size = 206 if begins else 200, len(content)
                headers = {"X-Repo-Commit": commit, "Content-Length": str(size - begins + longer)}
                headers["ETag"] = f'"{hub.tag or hashlib.sha256(content).hexdigest()}"'
                headers |= {"Content-Range": f"bytes {begins}-{size - 1}/{size}"} if begins else {}
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            return content if status < 300 else None

    with listening(Answer) as server:
        hub.address, hub.leave = server.address, server.leave
        yield hub
