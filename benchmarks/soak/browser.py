"""A page of the app as its scripts see it: what is drawn, the states of its widgets, uploads and downloads.

It uses the app's messages and draws nothing, so that thousands of actions take minutes, and memory and times are the
server's alone.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.raw_sockets import Page

PATIENCE = 600.0
"""Seconds: during other visitors' trainings a page may take long, and how long is what is measured."""


@dataclass(frozen=True)
class Drawn:
    """One element: its kind, as Streamlit's messages call it, its message, and the part of the page it is in."""

    kind: str
    message: Any
    fragment: str


class Browser:
    """One visitor's page.

    Attributes:
        elements: what is drawn, in order.
        repeated: the parts of the page that ask to be drawn again and again.
        problems: failures that the page has shown.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._cookies = _cookies(address)
        header = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        self._page = Page(address, urlsplit(address).netloc, None, header)
        self._name, self._query, self._id = "", "", ""
        self._states: dict[str, dict[str, Any]] = {}
        self.elements: list[Drawn] = []
        self.repeated: set[str] = set()
        self.problems: list[str] = []

    def go(self, name: str) -> None:
        """To another page, such as "teach"; the first one has no name."""
        self._name, self._states = name, {}
        self._run([], "")

    def set(self, drawn: Drawn, state: dict[str, Any]) -> None:
        """Leave a widget in this state, and have the page drawn. A click is sent once."""
        state = {"id": drawn.message.id} | state
        if not any(value.endswith("trigger_value") for value in state):
            self._states[state["id"]] = state
        self._run([state], drawn.fragment)

    def again(self, fragment: str = "") -> None:
        """Have the page drawn, or a part of it, as it asks for by itself."""
        self._run([], fragment, again=bool(fragment))

    def find(self, kind: str, label: str) -> Drawn:
        """Return the first widget with this in its label."""
        named = (each for each in self.elements if each.kind == kind and label in getattr(each.message, "label", ""))
        widget = next(named, None)
        assert widget is not None, f"There is no {kind} {label!r} on the page {self._name!r}."
        return widget

    def texts(self) -> str:
        """Return all texts, notes and bars of the page."""
        kinds = {"markdown": "body", "alert": "body", "progress": "text", "heading": "body", "spinner": "text"}
        texts = [getattr(each.message, kinds[each.kind]) for each in self.elements if each.kind in kinds]
        return "\n".join(texts)

    def upload(self, drawn: Drawn, files: Sequence[tuple[str, bytes]]) -> None:
        """Let an uploader take files, by name."""
        uploaded = [self.put(name, data) for name, data in files]
        self.set(drawn, {"file_uploader_state_value": {"uploaded_file_info": uploaded}})

    def put(self, name: str, data: bytes) -> dict[str, Any]:
        """Send a file to no uploader yet; return the facts that an uploader is given."""
        self._page.send(file_urls_request={"request_id": uuid4().hex, "file_names": [name], "session_id": self._id})
        (urls,) = self._answer("file_urls_response").file_urls
        border = uuid4().hex
        head = (
            f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        self._asked(urls.upload_url, kind, "PUT", head.encode() + data + f"\r\n--{border}--\r\n".encode())
        return {"name": name, "size": len(data), "file_id": urls.file_id, "file_urls": urls}

    def download(self, drawn: Drawn) -> bytes:
        """Return what a button for a download gives."""
        url = drawn.message.url
        if drawn.message.deferred_file_id:
            asked = {"request_id": uuid4().hex, "session_id": self._id}
            asked |= {"deferred_file": {"file_id": drawn.message.deferred_file_id}}
            self._page.send(backend_operation_request=asked)
            answer = self._answer("backend_operation_response")
            url = answer.deferred_file.url
            if not url:
                self.problems.append(f"{drawn.message.label}: {answer.error_msg}")
                return b""
        return self._asked(url, {}, "GET", None)

    def close(self) -> None:
        """Close the page, as a visitor does."""
        self._page.close()

    def _answer(self, kind: str) -> Any:
        return getattr(next(message for message in self._messages() if message.HasField(kind)), kind)

    def _asked(self, place: str, headers: dict[str, str], method: str, body: bytes | None) -> bytes:
        headers = headers | {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "X-Xsrftoken": self._cookies.get("_streamlit_xsrf", ""),
        }
        url = self._address + place if place.startswith("/") else place
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)) as answer:
            data: bytes = answer.read()
        return data

    def _run(self, states: list[dict[str, Any]], fragment: str, again: bool = False) -> None:
        widgets = {state["id"]: state for state in [*self._states.values(), *states]}
        asked = {"query_string": self._query, "widget_states": {"widgets": [*widgets.values()]}}
        part = {"fragment_id": fragment, "is_auto_rerun": again} if fragment else {}
        self._page.send(rerun_script={**asked, "page_name": self._name, **part})
        while self._read(fragment):
            pass

    def _read(self, fragment: str) -> bool:
        """Take what is sent until a run, of the page or of this part of it, ends; whether another one follows."""
        drawn: list[Drawn] = []
        repeated, stopped = set[str](), set[str]()
        for message in self._messages():
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._id, drawn = message.new_session.initialize.session_id or self._id, []
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "auto_rerun":
                repeated.add(message.auto_rerun.fragment_id)
            elif kind == "stop_auto_rerun":
                stopped |= set(message.stop_auto_rerun.fragment_ids)
            elif kind == "delta":
                drawn += self._element(message)
            elif kind == "script_finished":
                break
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return True
        part = message.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
        # After a run of the full page, a request for a part that it did not draw gets no answer.
        self.repeated = (self.repeated - stopped if part else set()) | repeated
        self.elements = [each for each in self.elements if part and each.fragment != fragment] + drawn
        here = {getattr(each.message, "id", "") for each in self.elements}
        self._states = {key: state for key, state in self._states.items() if key in here}
        return False

    def _element(self, message: ForwardMsg) -> Iterator[Drawn]:
        if message.delta.WhichOneof("type") != "new_element":
            return
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.problems.append(element.exception.message)
        if kind is not None:
            yield Drawn(kind, getattr(element, kind), message.delta.fragment_id)

    def _messages(self) -> Iterator[ForwardMsg]:
        end = time.monotonic() + PATIENCE
        for message in self._page.messages(PATIENCE):
            assert time.monotonic() < end, "The page is not drawn to its end."
            yield message


def _cookies(address: str) -> dict[str, str]:
    cookies = SimpleCookie()
    for path in ("/", "/_stcore/health"):
        with urllib.request.urlopen(address + path) as answer:
            for line in answer.headers.get_all("set-cookie", []):
                cookies.load(line)
    return {name: morsel.value for name, morsel in cookies.items()}
