"""Every address that a Python process asks for or connects to, its children's too, written down as it happens."""

from __future__ import annotations

import json
import os
from pathlib import Path

LOG = "RECORDED_CONNECTS"
STARTED = "started"
HOOK = f'''
import json, os, sys

_NAMED = {{"socket.getaddrinfo", "socket.gethostbyname"}}
_CONNECTED = {{"socket.connect", "socket.sendto", "socket.sendmsg"}}

def _note(event, arguments):
    if event in _NAMED:
        host = arguments[0]
    elif event in _CONNECTED and isinstance(arguments[1], tuple):  # a socket of the file system is a text
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    _write(event, host)

def _write(event, host):
    log = os.open(os.environ["{LOG}"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, (json.dumps([event, host]) + "\\n").encode())
    os.close(log)

_write("{STARTED}", None)
sys.addaudithook(_note)
'''
"""As ``sitecustomize`` it is there before anything else of the process runs."""
HERE = (None, "", "localhost", "127.0.0.1", "::1")


class Connects:
    """The connects of all processes that are started with this ``environment``."""

    def __init__(self, folder: Path) -> None:
        hook = folder / "recording"
        hook.mkdir(parents=True)
        (hook / "sitecustomize.py").write_text(HOOK, encoding="utf-8")
        self._log = folder / "connects.txt"
        self._path = str(hook)

    def environment(self, base: dict[str, str] | os._Environ[str] = os.environ) -> dict[str, str]:
        paths = os.pathsep.join(filter(None, [self._path, base.get("PYTHONPATH", "")]))
        return {**base, "PYTHONPATH": paths, LOG: str(self._log)}

    def all(self) -> list[tuple[str, str | None]]:
        """Each as (event, host)."""
        found = [tuple(json.loads(line)) for line in self._log.read_text(encoding="utf-8").splitlines()]
        assert (STARTED, None) in found, "no process was recorded"
        return [entry for entry in found if entry[0] != STARTED]

    def away(self) -> list[tuple[str, str | None]]:
        """Those that lead to another machine."""
        return [(event, host) for event, host in self.all() if host not in HERE]
