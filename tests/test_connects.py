"""No photo leaves this machine: every connect of the app, the command line and a notebook's kernel is written down.

The notebooks' own are in ``test_notebooks``, the app's fail in ``conftest.serving``, a browser's in ``new_page``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.connects import Connects
from tests.tiny import picture

ELSEWHERE = "192.0.2.1"  # an address that nobody has: RFC 5737


def test_the_record_has_names_addresses_and_children(tmp_path: Path) -> None:
    """What ends in an error was asked all the same."""
    connects = Connects(tmp_path)
    asking = f"""
import socket, subprocess, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
    some.connect(("{ELSEWHERE}", 1))
    some.sendto(b"", ("127.0.0.1", 1))
ask = "import socket; socket.getaddrinfo('localhost', 80); socket.getaddrinfo('name.invalid', 80)"
subprocess.run([sys.executable, "-c", ask], stderr=subprocess.DEVNULL)
"""
    subprocess.run([sys.executable, "-c", asking], env=connects.environment(), check=True)
    assert ("socket.sendto", "127.0.0.1") in connects.all()
    assert connects.away() == [("socket.connect", ELSEWHERE), ("socket.getaddrinfo", "name.invalid")]


@pytest.mark.slow
def test_the_command_line_answers_without_asking_anybody(tmp_path: Path) -> None:
    connects = Connects(tmp_path)
    picture(1, "red").save(tmp_path / "photo.png")
    command = [sys.executable, "-m", "gallop", "predict", str(tmp_path / "photo.png"), "--classes", "cat,dog"]
    done = subprocess.run(command, env=connects.environment(), capture_output=True, text=True, check=True)
    assert "photo.png" in done.stdout
    assert connects.all() == []
