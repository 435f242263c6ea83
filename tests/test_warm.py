"""Processes that begin with their imports done do what processes of Python do that start cold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.spawn import get_executable
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import listen_to_interrupts
from tests.connects import Connects

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


@pytest.mark.parametrize("what", COMMANDS)
def test_it_does_what_python_does(what: str, place: Path) -> None:
    assert outcome(warm.python(), COMMANDS[what], place) == outcome([sys.executable], COMMANDS[what], place)


def test_a_failure_is_a_traceback_and_a_status(place: Path) -> None:
    status, out, err = outcome(warm.python(), ["-c", "1 / 0"], place)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_its_imports_are_done_and_each_process_is_new(place: Path) -> None:
    code = "import sys; print([name in sys.modules for name in ('torch', 'open_clip', 'app', 'used')])"
    code += "; sys.modules['used'] = sys"
    for _ in range(2):
        assert outcome(warm.python(), ["-c", code], place) == (0, "[True, True, False, False]\n", "")


def started(code: str, before: str = "") -> tuple[subprocess.Popen[str], int]:
    """A process that has told its number; ``before`` that it has done all in which an interrupt would be lost."""
    told = f"import os, time\n{before}\nprint(os.getpid(), flush=True)\n{code}"
    process = subprocess.Popen(
        [*warm.python(), "-c", told], stdout=subprocess.PIPE, text=True, preexec_fn=listen_to_interrupts
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_its_starter_is_told_ends_it(sign: signal.Signals) -> None:
    process, number = started("time.sleep(60)", before="__import__('sys').stderr.close()")
    process.send_signal(sign)
    assert process.wait(20) == -sign
    end = time.monotonic() + 20
    while Path(f"/proc/{number}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{number}").exists()


def test_a_file_that_is_passed_on_keeps_its_number(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        code = f"import os; os.write({file.fileno()}, b'through')"
        subprocess.run([*warm.python(), "-c", code], pass_fds=[file.fileno()], check=True)
    assert (tmp_path / "file").read_bytes() == b"through"


def test_what_it_asks_for_is_written_down(tmp_path: Path) -> None:
    connects = Connects(tmp_path)
    code = "import socket; socket.getaddrinfo('name.invalid', 80)"
    subprocess.run([*warm.python(), "-c", code], env=connects.environment(), stderr=subprocess.DEVNULL)
    assert connects.away() == [("socket.getaddrinfo", "name.invalid")]


def loaded(name: str) -> bool:
    return name in sys.modules


def test_what_is_spawned_meanwhile_has_them_too() -> None:
    with warm.spawning(), ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert pool.submit(loaded, "ipykernel.kernelapp").result(60)
    assert get_executable() == os.fsencode(sys.executable)
