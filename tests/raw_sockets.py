"""The app's websocket as any program may speak it: headers of one's own, and messages that no page of the app sends."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol


class Page:
    """An open websocket, as a page of the app holds one."""

    def __init__(self, address: str, host: str, origin: str | None, cookies: str = "") -> None:
        where, self.status = urlsplit(address), 101
        headers = {name: value for name, value in (("Origin", origin), ("Cookie", cookies)) if value}
        try:
            self._socket = connect(
                f"ws://{host}/_stcore/stream",
                sock=socket.create_connection((where.hostname, where.port)),
                subprotocols=[Subprotocol("streamlit")],
                additional_headers=headers,
                open_timeout=60,
                max_size=None,
                max_queue=None,  # what nobody reads holds up no ping, after which the server takes the page for gone
                ping_interval=None,
            )
        except InvalidStatus as refused:
            self.status = refused.response.status_code

    def send(self, **message: Any) -> None:
        """A message to the server, such as ``clear_cache=True``."""
        self._socket.send(BackMsg(**message).SerializeToString())

    def run(self, query: str = "", *widgets: dict[str, Any], name: str = "") -> list[ForwardMsg]:
        """Let the page, or that of another name, be drawn with widgets in these states; what is sent until it is."""
        self.send(rerun_script={"query_string": query, "widget_states": {"widgets": widgets}, "page_name": name})
        end, found = time.monotonic() + 60, []
        for message in self.messages():
            assert time.monotonic() < end, "The page is not drawn to its end."
            found.append(message)
            ended = message.WhichOneof("type") == "script_finished"
            if ended and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                break
        return found

    def messages(self, patience: float = 60) -> Iterator[ForwardMsg]:
        """All that the server sends, as it comes, with no more than so many seconds in between."""
        while True:
            yield ForwardMsg.FromString(self._socket.recv(timeout=patience))

    def close(self) -> None:
        if self.status == 101:
            self._socket.close()


def drawn(messages: Iterable[ForwardMsg], kind: str) -> list[Any]:
    """The elements of a page of this kind, such as "button"."""
    elements = [message.delta.new_element for message in messages if message.HasField("delta")]
    return [getattr(element, kind) for element in elements if element.WhichOneof("type") == kind]


@contextmanager
def opened(address: str, host: str = "", origin: str | None = None, cookies: str = "") -> Iterator[Page]:
    """The websocket of the app at ``address``, asked for by the name ``host``."""
    with closing(Page(address, host or urlsplit(address).netloc, origin, cookies)) as page:
        yield page
