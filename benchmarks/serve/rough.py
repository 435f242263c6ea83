"""Hostile and unlucky senders: how they are answered, and whether memory comes back."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from typing import Any

from benchmarks.serve.clients import load, request
from benchmarks.serve.processes import HERE, REST, forget_largest, resident
from gallop.sample import sample_photos
from tests.serve.test_answers import HOSTILE


def _hostile(port: int) -> Counter[str]:
    statuses = Counter[str]()
    for data, *_ in HOSTILE.values():
        for path in ("/predict", "/explain"):
            with socket.create_connection((HERE, port), 60) as connection:
                connection.sendall(request(data, path=path))
                statuses[_status(connection)] += 1
    return statuses


def _large(port: int) -> Counter[str]:
    """Bodies of 200 MB, five at a time."""
    statuses = Counter[str]()
    connections = [socket.create_connection((HERE, port), 60) for _ in range(5)]
    for connection in connections:
        connection.sendall(request(length=200 * 2**20))
    for _ in range(200):
        for connection in connections:
            connection.sendall(bytes(2**20))
    for connection in connections:
        statuses[_status(connection)] += 1
        connection.close()
    return statuses


def _slow(port: int) -> Counter[str]:
    """Fifty senders that stop in the middle."""
    data = request(sample_photos()[0].path.read_bytes())
    connections = [socket.create_connection((HERE, port), 60) for _ in range(50)]
    for i, connection in enumerate(connections):
        connection.sendall(data[: 20 if i % 2 else len(data) // 2])
    statuses = Counter(_status(connection) for connection in connections)
    for connection in connections:
        connection.close()
    return statuses


def _gone(port: int) -> Counter[str]:
    """Two hundred that hang up: in the middle of what they send, or before they are answered."""
    data = request(sample_photos()[0].path.read_bytes())
    for i in range(200):
        with socket.create_connection((HERE, port), 60) as connection:
            connection.sendall(data[: len(data) // 2 if i % 2 else len(data)])
    return Counter({"hung up": 200})


ROUGH = {"hostile photos": _hostile, "bodies of 200 MB": _large, "senders that stop": _slow, "that hang up": _gone}


def rough(port: int, pid: int, kind: str) -> dict[str, Any]:
    """How a rough kind of sender is answered, and the service's memory before, at its largest and after."""
    time.sleep(REST)
    before = resident(pid)
    forget_largest(pid)
    statuses = ROUGH[kind](port)
    largest = resident(pid, "VmHWM")
    time.sleep(REST)
    good = load(port, 1, 2.0)
    time.sleep(REST)
    facts = {"before": before, "largest": largest, "after": resident(pid), "errors after": good.errors}
    return {"kind": kind, "statuses": dict(statuses), **facts}


def _status(connection: socket.socket) -> str:
    """The status of an answer that has a sentence; the connection's end otherwise."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
            top, _, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", top.lower())
            if length and len(body) >= int(length[1]):
                assert json.loads(body)["error"]["message"]
                return top.split()[1].decode()
    except ConnectionError:
        pass
    return "cut off"
