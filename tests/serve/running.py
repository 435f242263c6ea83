"""A service in this process, at an address of its own, with a tiny model; and raw connections to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx

from gallop import GalLoPClassifier
from gallop.model.calibration import Calibration
from gallop.service.http.options import ServeOptions
from gallop.service.http.server import ServiceServer, bound_socket
from gallop.service.http.service import Service
from tests import tiny
from tests.nasty_images import encode
from tests.until import until

CLASSES = ("red", "green", "blue", "yellow")


def make_model(folder: Path, backbone: Path, names: Sequence[str]) -> None:
    """A model that has learned nothing, with a limit and a temperature, saved in ``folder``."""
    made = GalLoPClassifier(str(backbone), global_prompts=2, topk=(2, 4), device="cpu").zero_shot(names)
    made.calibration_ = Calibration(1.5, -0.4)
    made.save(folder)


def photo(seed: int = 0, colour: str = "red", form: str = "PNG") -> bytes:
    return encode(tiny.picture(seed, colour), form)


@dataclass
class Running:
    """A service that runs."""

    port: int
    service: Service
    server: ServiceServer

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, *photos: bytes, **named: Any) -> httpx.Response:
        fields = [("photo", (f"secret-{i}.jpg", data)) for i, data in enumerate(photos)]
        return httpx.post(f"{self.address}{path}", files=fields, timeout=30, trust_env=False, **named)

    def get(self, path: str, **named: Any) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", timeout=30, trust_env=False, **named)

    @property
    def waiting(self) -> int:
        """Photos without an answer."""
        return self.service.waiting

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def running(model: Path, **changes: Any) -> Iterator[Running]:
    service = Service(ServeOptions(str(model), model.name, device="cpu", **changes))
    with bound_socket("127.0.0.1", 0) as listening:
        server = ServiceServer(service)
        thread = threading.Thread(target=server.run, args=([listening],), name="gallop-serving")
        thread.start()
        try:
            until(lambda: server.started)
            yield Running(listening.getsockname()[1], service, server)
        finally:
            server.should_exit = True
            thread.join(60)
            service.close()
            assert not thread.is_alive()


class Gate:
    """Holds the thread that answers before each batch, and notes how many photos each has.

    Attributes:
        held: batches and explanations that have come so far.
    """

    def __init__(self, monkeypatch: Any) -> None:
        self.opened, self.batches, self.held = threading.Event(), list[int](), 0
        self.opened.set()
        answers, explained = Service._answers, Service._explained

        def gated(service: Service, photos: Any) -> Any:
            self.held += 1
            self.opened.wait(60)
            self.batches.append(len(photos))
            return answers(service, photos)

        def gated_too(*words: Any) -> Any:
            self.held += 1
            self.opened.wait(60)
            return explained(*words)

        monkeypatch.setattr(Service, "_answers", gated)
        monkeypatch.setattr(Service, "_explained", gated_too)


def form(*photos: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request."""
    request = httpx.Request("POST", "http://x/", files=[("photo", ("a.jpg", data)) for data in photos])
    return {"content-type": request.headers["content-type"]}, request.read()


def head(path: str, headers: dict[str, str], method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an answer that is none."""
    return answer.status_code, answer.json()["error"]["code"]


def answer_on(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer that comes there."""
    answer = HTTPResponse(connection)
    answer.begin()
    return answer.status, json.load(answer)


def refusal_on(connection: socket.socket, *sent: bytes) -> tuple[int, str]:
    """Status and code of what is answered to that."""
    connection.sendall(b"".join(sent))
    status, said = answer_on(connection)
    return status, said["error"]["code"]
