"""The service as a separate process, and the memory that it holds."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gallop.sample import sample_folder

HERE = "127.0.0.1"
REST = 8.0
"""Seconds after which the service has given its memory back."""


@contextmanager
def served() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port and the process of a service of the sample's model."""
    with socket.socket() as free:
        free.bind((HERE, 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "gallop", "serve", str(sample_folder() / "model"), "--port", str(port)]
    process = subprocess.Popen([*command, "--device", "cpu"], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection((HERE, port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port, process
    finally:
        process.kill()
        process.wait()


def resident(pid: int, key: str = "VmRSS") -> float:
    """MB of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def forget_largest(pid: int) -> None:
    """From now on, VmHWM is the largest since now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
