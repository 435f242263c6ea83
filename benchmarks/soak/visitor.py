"""A visitor who does things by chance, and the same ones each time."""

from __future__ import annotations

import io
import random
import zipfile
from collections import Counter
from collections.abc import Sequence

from benchmarks.soak.browser import Browser, Drawn
from benchmarks.soak.widgets import state_of

PAGES = ("", "teach", "test", "prompts", "compare", "export", "method")
GO_ELSEWHERE, UPLOAD, LOOK_AGAIN = 0.08, 0.06, 0.1
"""How often, of all actions: another page, photos, and what a page that shows progress does by itself."""


class Visitor:
    """One page of the app, and what was done with it.

    Args:
        browser: a page that has not been used yet.
        hand: chance; the same seed does the same as long as the app answers the same.
        photos: files to upload, by name.
    """

    def __init__(self, browser: Browser, hand: random.Random, photos: Sequence[tuple[str, bytes]]) -> None:
        self._browser, self._hand, self._photos = browser, hand, photos
        self.done: Counter[str] = Counter()
        browser.go("")

    def act(self) -> None:
        """Do one thing and wait until the page is drawn."""
        chance, browser = self._hand.random(), self._browser
        uploaders = [each for each in browser.elements if each.kind == "file_uploader"]
        if chance < GO_ELSEWHERE:
            self._go()
        elif chance < GO_ELSEWHERE + UPLOAD and uploaders:
            self._upload(self._hand.choice(uploaders))
        elif chance < GO_ELSEWHERE + UPLOAD + LOOK_AGAIN and browser.repeated:
            browser.again(self._hand.choice(sorted(browser.repeated)))
            self.done["progress looked at"] += 1
        else:
            self._touch()

    def _go(self) -> None:
        self._browser.go(self._hand.choice(PAGES))
        self.done["another page"] += 1

    def _touch(self) -> None:
        offered = sorted((each for each in self._browser.elements if hasattr(each.message, "id")), key=_place)
        self._hand.shuffle(offered)
        for each in offered:
            if each.kind == "download_button" and not each.message.disabled:
                self._browser.download(each)
            elif (state := state_of(each.kind, each.message, self._hand)) is not None:
                self._browser.set(each, state)
            else:
                continue
            self.done[each.kind.replace("_", " ")] += 1
            return
        self._go()

    def _upload(self, drawn: Drawn) -> None:
        most = min(4, len(self._photos)) if drawn.message.multiple_files else 1
        some = self._hand.sample(self._photos, self._hand.randint(1, most))
        if drawn.message.type and ".jpg" not in drawn.message.type:
            some = [("photos.zip", _zipped(some))]
        self._browser.upload(drawn, some)
        self.done["upload"] += 1


def _zipped(files: Sequence[tuple[str, bytes]]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for name, content in files:
            made.writestr(f"things/{name}", content)
    return data.getvalue()


def _place(drawn: Drawn) -> str:
    place: str = drawn.message.id
    return place
