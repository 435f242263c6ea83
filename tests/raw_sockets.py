"""The app's websocket as any program may speak it: headers of one's own, and messages that no page of the app sends."""

from __future__ import annotations

import base64
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10


class Page:
    """An open websocket, as a page of the app holds one."""

    def __init__(self, address: str, host: str, origin: str | None, cookies: str = "") -> None:
        where = urlsplit(address)
        self._socket = socket.create_connection((where.hostname, where.port), timeout=60)
        self._rest = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            *("GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"),
            *(f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: streamlit"),
            *([f"Origin: {origin}"] if origin is not None else []),
            *([f"Cookie: {cookies}"] if cookies else []),
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._received()
        head, _, self._rest = head.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])

    def send(self, **message: Any) -> None:
        """A message to the server, such as ``clear_cache=True``."""
        self._send(BINARY, BackMsg(**message).SerializeToString())

    def run(self, query: str = "", *widgets: dict[str, Any], name: str = "") -> list[ForwardMsg]:
        """Let the page, or that of another name, be drawn with widgets in these states; what is sent until it is."""
        self.send(rerun_script={"query_string": query, "widget_states": {"widgets": widgets}, "page_name": name})
        return list(self._until_drawn())

    def click(self, button: str) -> list[ForwardMsg]:
        """As ``run``, with a click on the button of this id."""
        return self.run("", {"id": button, "trigger_value": True})

    def messages(self) -> Iterator[ForwardMsg]:
        """All that the server sends, as it comes."""
        while True:
            yield ForwardMsg.FromString(self._frame())

    def _until_drawn(self, seconds: float = 60) -> Iterator[ForwardMsg]:
        end = time.monotonic() + seconds
        for message in self.messages():
            assert time.monotonic() < end, "The page is not drawn to its end."
            yield message
            if message.WhichOneof("type") == "script_finished":
                return

    def _send(self, kind: int, data: bytes) -> None:
        mask = os.urandom(4)
        if len(data) < 126:
            length = bytes([0x80 | len(data)])
        elif len(data) < 2**16:
            length = bytes([0x80 | 126]) + struct.pack(">H", len(data))
        else:
            length = bytes([0x80 | 127]) + struct.pack(">Q", len(data))
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self._socket.sendall(bytes([0x80 | kind]) + length + mask + masked)

    def _frame(self) -> bytes:
        head = self._exactly(2)
        length = head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
        data = self._exactly(length)
        kind = head[0] & 0x0F
        assert kind != CLOSE, "The server closed the websocket."
        if kind == PING:  # one that is not answered is the last: the server takes the page for gone
            self._send(PONG, data)
        return data if kind == BINARY else self._frame()

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._rest += self._received()
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _received(self) -> bytes:
        data = self._socket.recv(65536)
        assert data, "The server hung up."
        return data

    def close(self) -> None:
        self._socket.close()


def drawn(messages: Iterable[ForwardMsg], kind: str) -> list[Any]:
    """The elements of a page of this kind, such as "button"."""
    elements = [message.delta.new_element for message in messages if message.HasField("delta")]
    return [getattr(element, kind) for element in elements if element.WhichOneof("type") == kind]


def buttons(messages: Iterable[ForwardMsg]) -> dict[str, str]:
    """The ids of the buttons of a page, by their words."""
    return {button.label: button.id for button in drawn(messages, "button")}


@contextmanager
def opened(address: str, host: str = "", origin: str | None = None, cookies: str = "") -> Iterator[Page]:
    """The websocket of the app at ``address``, asked for by the name ``host``."""
    page = Page(address, host or urlsplit(address).netloc, origin, cookies)
    try:
        yield page
    finally:
        page.close()
