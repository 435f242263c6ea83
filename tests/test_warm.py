"""Processes that begin with their imports done do what processes of Python do that start cold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere they start cold")

SELF = "import json, os, sys; print(json.dumps([__name__, sys.argv, os.getcwd(), sys.path[0], sorted(globals())]))"
COMMANDS: dict[str, list[str]] = {
    "what it is": ["-c", SELF, "-x", "y"],
    "a file": ["here/script.py", "z"],
    "a module": ["-m", "here.script", "z"],
    "what it reads and writes": ["-c", "import sys; print(sys.stdin.read().upper()); print('oh', file=sys.stderr)"],
    "a variable": ["-c", "import os; print(os.environ['SAID'], os.environ.get('HOME'))"],
    "a status": ["-c", "import sys; sys.exit(7)"],
    "a sentence as its status": ["-c", "import sys; sys.exit('no more')"],
    "what it does at its end": ["-c", "import atexit; atexit.register(print, 'bye'); print('hello')"],
    "a thread of its own": ["-c", "import threading, time; threading.Timer(0.1, print, ['late']).start()"],
    "a signal": ["-c", "import os; os.kill(os.getpid(), 9)"],
    "Ctrl-C in itself": ["-c", "import sys; sys.excepthook = lambda *_: print('stopped'); raise KeyboardInterrupt"],
    "an option that changes nothing": ["-B", "-c", "print('as usual')"],
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "__init__.py").touch()
    (tmp_path / "here" / "script.py").write_text(SELF.replace("__name__", "__name__, __file__, __package__"))
    return tmp_path


def outcome(start: list[str], words: list[str], place: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [*start, *words], cwd=place, env={"SAID": "this"}, input="given", capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("what", COMMANDS)
def test_it_does_what_python_does(what: str, place: Path) -> None:
    assert outcome(warm.python(), COMMANDS[what], place) == outcome([sys.executable], COMMANDS[what], place)
