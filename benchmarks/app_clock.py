"""How long a new user of the app waits, in seconds and clicks, compared with a Streamlit app that shows one word.

    python -m benchmarks.app_clock [--rounds N]

In each round two servers are started, this app's and the other's, and a browser opens them in turn: for the server's
first visitor, with an empty cache, and again. Of this app two times are measured: until its picture is there (the
browser's mark of the first content that it painted), and until the living page has replaced it and answers. Then a
visitor gets a first answer, has an uploaded photo explained, and asks why it is this and not that. Both apps ran under
the same load; the ratio says more than the seconds.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browsing import answer, files_into, photo, settled, upload
from tests.conftest import MAIN, ROOT, launched

WORD = 'import streamlit as st\nst.write("x")\n'
LIVING, WRITTEN = ".explainer .best", "[data-testid=stMarkdown] p"
WAITING = "#waiting"
_PAINTED = """
() => performance.timeOrigin + performance.getEntriesByName("first-contentful-paint")[0].startTime
"""
WINDOW = {"width": 1280, "height": 800}
OPENED = ("first visitor", "empty cache", "again")
PATIENCE = 120_000


class Clock:
    """Seconds of each action, and how many clicks and keys it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.inputs: dict[str, int] = {}

    def take(self, what: str, deed: Callable[[], int]) -> None:
        start = time.perf_counter()
        self.inputs[what] = deed()
        self.seconds.setdefault(what, []).append(time.perf_counter() - start)


@contextmanager
def server(script: Path) -> Iterator[tuple[str, float]]:
    """Its address, and the seconds until it answered; begun as a user begins it, with nothing loaded."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as home:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        places = {"HOME": home, "GALLOP_CACHE": f"{home}/cache", "GALLOP_DATA": f"{home}/data", "PYTHONPATH": str(ROOT)}
        words = ["--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.port", str(port)]
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), *words],
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"} | places,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            while not answers(f"{address}/_stcore/health"):
                assert process.poll() is None, f"{script} does not start"
                time.sleep(0.01)
            yield address, time.perf_counter() - start
        finally:
            process.terminate()
            process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


@contextmanager
def visitor(browser: Browser) -> Iterator[Page]:
    """A visitor whose browser has nothing stored."""
    context = browser.new_context(viewport=WINDOW, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


def opened(browser: Browser, address: str, seen: str, clock: Clock, who: str) -> None:
    """Time three visits until ``seen`` is displayed; where a picture is shown before it, also until that is painted."""

    def visit(when: str, come: Callable[..., Any], *where: str) -> None:
        def deed() -> int:
            nonlocal sent
            sent = come(*where, wait_until="commit")
            page.locator(seen).first.wait_for()
            page.locator(WAITING).wait_for(state="detached")
            return 0

        sent, start = None, time.time()
        clock.take(f"{who}, {when}", deed)
        if sent is not None and 'id="waiting"' in sent.text():
            clock.seconds.setdefault(f"{who}, {when}, picture", []).append(page.evaluate(_PAINTED) / 1000 - start)

    for when in OPENED[:2]:
        with visitor(browser) as page:
            visit(when, page.goto, address)
            settled(page)
            if when == OPENED[1]:
                visit(OPENED[2], page.reload)


def tried(browser: Browser, address: str, clock: Clock) -> None:
    """Use the app as a first-time visitor does."""

    def first_answer() -> int:
        page.goto(address, wait_until="commit")
        expect(answer(page)).to_contain_text("%")
        return 0

    def uploaded_photo() -> int:
        files_into(page, "Upload photos", [upload("holiday.jpg", photo("Coffee").crop((40, 20, 560, 380)))])
        expect(page.locator(".explainer .bars .bar:visible")).to_have_count(6)  # the sample has five names
        return 1  # the file

    def named() -> int:
        field = page.get_by_role("combobox", name="What might it be?")
        field.fill("teapot")
        field.press("Enter")
        expect(page.locator(".explainer").get_by_text("teapot").first).to_be_visible()
        return 2  # the word, and Enter

    def why_not() -> int:
        settled(page)
        against = page.locator(".explainer").get_by_label("Compared with")
        against.select_option(index=1)
        expect(
            page.locator(".explainer").get_by_text(" minus ").or_(page.locator(".explainer .against")).first
        ).to_be_visible()
        return 2  # the list, and a class

    with visitor(browser) as page:
        clock.take("open to a first answer", first_answer)
        settled(page)
        clock.take("uploaded photo, named by suggestions, explained", uploaded_photo)
        settled(page)
        clock.take("a typed name beside them", named)
        clock.take("why this and not that", why_not)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, launched() as browser:
        word = Path(folder, "word.py")
        word.write_text(WORD)
        with visitor(browser) as page:
            page.goto("data:text/html,x")  # the browser itself is loaded
        for _ in range(parser.parse_args().rounds):
            for who, script, seen in (("one word", word, WRITTEN), ("the app", MAIN, LIVING)):
                with server(script) as (address, started):
                    clock.seconds.setdefault(f"{who}, server started", []).append(started)
                    opened(browser, address, seen, clock, who)
                    if who == "the app":
                        tried(browser, address, clock)
    report(clock)


def report(clock: Clock) -> None:
    middle = {what: statistics.median(times) for what, times in clock.seconds.items()}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"load {load:.1f}, {len(next(iter(clock.seconds.values())))} rounds; medians, and the least")
    for when in ("server started", *OPENED):
        app, word = f"the app, {when}", f"one word, {when}"
        print(
            f"{when:45} {middle[app]:5.2f} s ({min(clock.seconds[app]):.2f}); one word {middle[word]:.2f} s "
            f"({min(clock.seconds[word]):.2f}); {middle[app] / middle[word]:.2f} times"
        )
        if (picture := f"{app}, picture") in middle:
            print(f"{f'{when}: its picture':45} {middle[picture]:5.2f} s ({min(clock.seconds[picture]):.2f})")
    for what, inputs in clock.inputs.items():
        if not what.startswith(("the app", "one word")):
            print(f"{what:45} {middle[what]:5.2f} s ({min(clock.seconds[what]):.2f}), {inputs} clicks or keys")


if __name__ == "__main__":
    main()
