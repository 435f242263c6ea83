"""Many visitors at once: some train, one sends thousands of photos, the others look at pages; and what they see."""

from __future__ import annotations

import io
import itertools
import re
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from benchmarks.soak.browser import Browser
from gallop.sample import sample_photos

PAGES = ("", "teach", "test", "prompts", "compare", "export", "method")
LOOKS_EVERY = 0.5
"""Seconds between two looks at a training that is waited for, and between two pages of a visitor who looks around."""
_CARDS = 20
SIDE = 160


@dataclass
class Notice:
    """A page's text about a training, and when it was read."""

    at: float
    words: str

    @property
    def ahead(self) -> int | None:
        """How many jobs are ahead, by the page's words; 0 for one that has begun, None where they say nothing."""
        waiting = re.search(r"Waiting: (\d+) job", self.words)
        if waiting:
            return int(waiting[1])
        return 0 if re.search(r"Encoding|Training, step|Asking it|Calibrating", self.words) else None


@dataclass
class Trainer:
    """A visitor who trains.

    Attributes:
        asked, ended: when.
    """

    asked: float
    notices: list[Notice] = field(default_factory=list)
    ended: float = 0.0


@dataclass
class Seen:
    """What a crowd has met with.

    Attributes:
        quiet, busy: seconds of each page of those who look around, before the others begin, and while they work.
        problems: failures that a page has shown, answers that were another visitor's, and waits that were not true.
    """

    quiet: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    trainers: list[Trainer] = field(default_factory=list)
    sending: float = 0.0
    reading: float = 0.0
    taken: str = ""
    problems: list[str] = field(default_factory=list)


def photos(count: int) -> list[tuple[str, bytes]]:
    """So many different photos in folders of classes, as files."""
    made = []
    originals = [Image.open(photo.path).convert("RGB") for photo in sample_photos()]
    for number in range(count):
        left, top = number % 37, number // 37 % 31
        part = originals[number % len(originals)].crop((left, top, left + SIDE, top + SIDE))
        data = io.BytesIO()
        part.save(data, "JPEG", quality=90)
        made.append((f"class {number % _CARDS}/{number}.jpg", data.getvalue()))
    return made


def crowd(address: str, visitors: int, trainings: int, files: Sequence[tuple[str, bytes]], rest: float) -> Seen:
    """Let so many visitors in at once.

    Args:
        trainings: how many of them train.
        files: what one of them sends; the others look around.
        rest: seconds in which all but look around, before the others begin.
    """
    seen, lock, busy, over = Seen(), threading.Lock(), threading.Event(), threading.Event()
    around = [_Around(address, number, seen, lock, busy, over) for number in range(visitors - trainings - 1)]
    looking = [threading.Thread(target=each.run) for each in around]
    for thread in looking:
        thread.start()
    time.sleep(rest)
    busy.set()
    working = [threading.Thread(target=_caught, args=(seen, lambda: _send(address, files, seen)))]
    asking = threading.Lock()  # asked one after the other, so that it is known in which order
    for _ in range(trainings):
        working.append(threading.Thread(target=_caught, args=(seen, lambda: _train(address, seen, asking))))
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    over.set()
    for thread in looking:
        thread.join()
    seen.problems += untrue(seen.trainers)
    return seen


def _caught(seen: Seen, deed: Callable[[], None]) -> None:
    try:
        deed()
    except Exception as error:  # one of many: the others continue, and it is reported
        seen.problems.append(f"{type(error).__name__}: {error}")


class _Around:
    """A visitor with unique names, who goes from page to page."""

    def __init__(
        self, address: str, number: int, seen: Seen, lock: Any, busy: threading.Event, over: threading.Event
    ) -> None:
        self._address, self._number, self._seen, self._lock = address, number, seen, lock
        self._busy, self._over = busy, over

    def run(self) -> None:
        _caught(self._seen, self._looks)

    def _looks(self) -> None:
        browser, turn = Browser(self._address), self._number
        browser.go("")
        while not self._over.is_set():
            turn += 1
            start, busy = time.perf_counter(), self._busy.is_set()
            if PAGES[turn % len(PAGES)]:
                browser.go(PAGES[turn % len(PAGES)])
            else:
                self._asks(browser, turn)
            seconds = time.perf_counter() - start
            with self._lock:
                (self._seen.busy if busy else self._seen.quiet).append(seconds)
            self._over.wait(LOOKS_EVERY)
        self._seen.problems += browser.problems
        browser.close()

    def _asks(self, browser: Browser, turn: int) -> None:
        """Ask with names that no other visitor has."""
        mine = f"visitor {self._number} turn {turn}"
        browser.go("")
        chips = browser.find("multiselect", "What might it be?")
        browser.set(chips, {"string_array_value": {"data": ["cat", mine]}})
        drawn = " ".join(str(each.message) for each in browser.elements if each.kind != "markdown")
        others = {number for number in re.findall(r"visitor (\d+) turn", drawn) if int(number) != self._number}
        if others or mine not in drawn:
            self._seen.problems.append(f"visitor {self._number} sees the names of {sorted(others) or 'no visitor'}")


def _send(address: str, files: Sequence[tuple[str, bytes]], seen: Seen) -> None:
    browser = Browser(address)
    browser.go("teach")
    start = time.perf_counter()
    uploaded = [browser.put(name, data) for name, data in files]
    middle = time.perf_counter()
    browser.set(
        browser.find("file_uploader", "A folder of class folders"),
        {"file_uploader_state_value": {"uploaded_file_info": uploaded}},
    )
    seen.sending, seen.reading = middle - start, time.perf_counter() - middle
    added = re.search(r"\d+ added, \d+ not added|\d+ photos added", browser.texts())
    seen.taken = added[0] if added else ""
    seen.problems += browser.problems
    browser.close()


def _train(address: str, seen: Seen, asking: Any) -> None:
    browser = Browser(address)
    browser.go("teach")
    browser.set(browser.find("button", "Load a sample project"), {"trigger_value": True})
    while not any(each.kind == "button" and each.message.label.startswith("Train") for each in browser.elements):
        time.sleep(LOOKS_EVERY)  # the model of the sample is being opened
        browser.go("teach")
    with asking:
        browser.set(browser.find("button", "Train"), {"trigger_value": True})
        trainer = Trainer(time.perf_counter())
        seen.trainers.append(trainer)
    while any(each.kind == "button" and "Cancel, and keep" in each.message.label for each in browser.elements):
        trainer.notices.append(Notice(time.perf_counter(), browser.texts()))
        time.sleep(LOOKS_EVERY)
        for part in sorted(browser.repeated):
            if part in browser.repeated:
                browser.again(part)
    trainer.ended = time.perf_counter()
    seen.problems += browser.problems
    browser.close()


def untrue(trainers: Sequence[Trainer]) -> list[str]:
    """Return what was untrue of the waits shown: one grows, is more than were asked before, or ends before its turn."""
    problems = []
    order = sorted(trainers, key=lambda trainer: trainer.asked)
    for place, trainer in enumerate(order):
        ahead = [notice.ahead for notice in trainer.notices if notice.ahead is not None]
        if any(later > earlier for earlier, later in itertools.pairwise(ahead)):
            problems.append(f"training {place + 1} was shown {ahead}")
        if max(ahead, default=0) > place:
            problems.append(f"training {place + 1} was shown {max(ahead)} ahead")
    if sorted(order, key=lambda trainer: trainer.ended) != order:
        problems.append("trainings ended in another order than they were asked for")
    return problems


def percentile(seconds: Sequence[float], rank: int) -> float:
    """Return the value that so many of a hundred are below; two values at least."""
    return statistics.quantiles(seconds, n=100)[rank - 1]
