"""A folder of static files, served to this machine alone."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Quiet(SimpleHTTPRequestHandler):
    """Says nothing of what is asked, and lets nobody keep an older page than the folder holds."""

    def guess_type(self, path: Any) -> str:
        # A system's registry may say otherwise, and browsers take no module of another kind.
        return "text/javascript" if str(path).endswith((".js", ".mjs")) else super().guess_type(path)

    def log_message(self, *_: Any) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def static_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a folder on 127.0.0.1, which ``serve_forever`` starts; port 0 is any that is free.

    Raises:
        OSError: the port is taken.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True  # a browser keeps its connections
    return server
