"""Firefox driven by WebDriver BiDi, the protocol that it speaks by itself: as much of it as a walk needs."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.tiny import there
from tests.until import until

PATIENCE = 60.0
"""Seconds until what is waited for must be there."""
_TEXT = """
(() => {
  const text = (node) => [...node.childNodes].map((child) => {
    if (child.nodeType === Node.TEXT_NODE) return child.data;
    if (["STYLE", "SCRIPT", "NOSCRIPT"].includes(child.nodeName) || child.hidden) return "";
    return (child.shadowRoot ? text(child.shadowRoot) : "") + text(child);
  }).join("\\n");
  return text(document.body);
})()
"""  # with what is in the shadow of an element, where Streamlit puts components


class Firefox:
    """One page. Elements are found by the role and the name that assistive technology is told."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._ask("session.new", capabilities={})
        self._context = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def go(self, address: str) -> None:
        self._ask("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def size(self, width: int, height: int) -> None:
        self._ask("browsingContext.setViewport", context=self._context, viewport={"width": width, "height": height})

    def evaluate(self, expression: str) -> Any:
        """Return the value of JavaScript: text, a number, a truth value or None."""
        said = self._ask("script.evaluate", expression=expression, target={"context": self._context}, awaitPromise=True)
        assert said["type"] == "success", said
        return said["result"].get("value")

    def wait_for(self, words: str) -> None:
        """Wait until the page shows words, a regular expression."""
        end, shown = time.monotonic() + PATIENCE, ""
        while time.monotonic() < end:
            shown = self.evaluate(_TEXT)
            if re.search(words, shown):
                return
            time.sleep(0.1)
        raise AssertionError(f"{words!r} is not shown after {PATIENCE:g} s, but:\n{shown}")

    def click(self, role: str, name: str) -> None:
        """Click it with the mouse, once it is there."""
        named = {"type": "accessibility", "value": {"role": role, "name": name}}
        origin = {"type": "element", "element": self._found(named)}
        moves = [{"type": "pointerMove", "x": 0, "y": 0, "origin": origin}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._act("pointer", moves)

    def type(self, text: str) -> None:
        self._act("key", [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")])

    def give(self, selector: str, files: Sequence[Path]) -> None:
        """Give files to the input that a selector of CSS finds."""
        element = self._found({"type": "css", "value": selector})
        self._ask("input.setFiles", context=self._context, element=element, files=[*map(str, files)])

    def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        self._ask("input.performActions", context=self._context, actions=[source])

    def _found(self, locator: dict[str, Any]) -> dict[str, Any]:
        asked = partial(self._ask, "browsingContext.locateNodes", context=self._context, locator=locator)
        return {"sharedId": until(lambda: asked()["nodes"], PATIENCE)[0]["sharedId"]}

    def _ask(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE))
            if answer.get("id") == number:  # events have none
                assert answer["type"] == "success", f"{method}: {answer}"
                return answer["result"]


@contextmanager
def firefox(program: str, profile: Path) -> Iterator[Firefox]:
    """A headless Firefox with a profile of its own, which asks nobody for updates."""
    settings = {"app.update.enabled": False, "browser.startup.homepage": "about:blank", "app.normandy.enabled": False}
    lines = (f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in settings.items())
    (profile / "user.js").write_text("".join(lines), "utf-8")
    with subprocess.Popen(
        [program, "--headless", "--profile", str(profile), "--remote-debugging-port", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            found = (re.search(r"BiDi listening on (ws://\S+)", line) for line in there(process.stderr))
            address = next(match[1] for match in found if match)
            with connect(f"{address}/session", max_size=None, open_timeout=PATIENCE) as socket:
                yield Firefox(socket)
        finally:
            process.kill()
