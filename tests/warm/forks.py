"""The process that has imported everything: it listens, and becomes what each starter asks for, in a fork."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import itertools
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

MOST = 64
"""Files that a starter may have open."""
NOTHING_HERE = ("-B", "-u")
"""Options of Python that change nothing for who has its imports done."""


def served(address: str) -> list[Any]:
    """What a fork is to be; the first process never returns, and ends when whoever started it has gone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            starter, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return attended(starter)
            starter.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:  # counts the seconds of those that have ended
                    pass
    shutil.rmtree(Path(address).parent)
    os._exit(0)


def attended(starter: socket.socket) -> list[Any]:
    """What a fork is to be; the process that made it stays beside it, tells its starter how it ends, and ends it where
    the starter has been killed, or whoever started the first process has gone.
    """
    _, files, _, _ = socket.recv_fds(starter, 1, MOST)
    numbers, *request = json.loads(starter.makefile("rb").readline())
    pid = os.fork()
    if pid == 0:
        starter.close()
        take_over(files, numbers)
        return request
    for file in files:
        os.close(file)
    with contextlib.suppress(OSError):  # a starter that has been killed hears nothing
        starter.sendall(f"{pid}\n".encode())
    handle = os.pidfd_open(pid)
    if handle not in select.select([handle, starter, sys.stdin], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    with contextlib.suppress(OSError):
        starter.sendall(f"{status}\n".encode())
    os._exit(0)


def take_over(files: list[int], numbers: list[int]) -> None:
    """Open files under the numbers that they have in the starter."""
    aside = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, max(*files, *numbers) + 1) for file in files]
    for file in files:
        os.close(file)
    for file, number in zip(aside, numbers, strict=True):
        os.dup2(file, number)
        os.close(file)


def settle(environment: dict[str, str], folder: str, deaf: bool, first: str) -> None:
    """Take over what Python takes over when it starts."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN if deaf else signal.default_int_handler)
    os.chdir(folder)
    ours = {"", *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    os.environ.clear()
    os.environ.update(environment)
    theirs = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [first, *theirs, *(path for path in sys.path if path not in ours)]
    sys.modules.pop("sitecustomize", None)
    importlib.invalidate_caches()
    if any(Path(path, "sitecustomize.py").is_file() for path in theirs):
        importlib.import_module("sitecustomize")


def become(words: list[str], environment: dict[str, str], folder: str, deaf: bool) -> None:
    """Run ``python WORDS``, of which ``-c CODE``, ``-m MODULE`` and a file are understood."""
    how, *rest = [*itertools.dropwhile(NOTHING_HERE.__contains__, words)]
    names = sys.modules["__main__"].__dict__
    del names["forks"]
    file = Path(folder, how)
    settle(environment, folder, deaf, {"-m": folder, "-c": ""}.get(how, str(file.parent)))
    sys.argv = [how, *(rest[1:] if how in ("-m", "-c") else rest)]
    if how == "-m":
        runpy._run_module_as_main(rest[0])  # type: ignore[attr-defined]  # what -m does
    elif how == "-c":
        exec(compile(rest[0], "<string>", "exec", dont_inherit=True), names)
    else:
        names |= {"__file__": str(file), "__cached__": None}
        exec(compile(file.read_bytes(), how, "exec", dont_inherit=True), names)


def status_of(request: list[Any]) -> int:
    """Of the command that was asked for, negative for the signal that ends it."""
    try:
        become(*request)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(*sys.exc_info())
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def end(status: int) -> None:
    """As Python ends, but for taking every module apart, which takes as long as many a command."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if not stream.closed:
                stream.flush()
        except OSError:
            status = status or 120  # Python's own, for a stream that takes no more
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def main(address: str, *modules: str) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            continue  # of an extra that is not installed: what needs it says so itself
    gc.freeze()
    end(status_of(served(address)))
