"""Screenshots of every page and state, light and dark, wide and narrow: ``make screenshots``.

One visit does the work; each state is then opened again by its address, once for each theme and width.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.ui.moved import PLACES
from tests.browsing import (
    PATIENCE,
    answer,
    choose_photo,
    expect,
    go,
    metric,
    rounds,
)
from tests.conftest import ROOT, launched, served

FOLDER = ROOT / "test-results" / "screenshots"
WIDTHS = (1280, 820, 390)
THEMES = ("light", "dark")


def shoot(visit: Any, address: str, name: str, *, opened: tuple[str, ...] = ()) -> None:
    """One state in every theme and width, each picture as long as the page, with these parts of it opened.

    Args:
        visit: the page whose state it is; an address shows it to the browser that made it alone, by its cookies.
    """
    mine = visit.context.storage_state()
    for theme in THEMES:
        for width in WIDTHS:
            context = visit.context.browser.new_context(
                storage_state=mine,
                viewport={"width": width, "height": 1000},
                color_scheme=theme,
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(address)
            page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
            expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
            expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=PATIENCE)
            for part in opened:
                page.get_by_text(part, exact=True).click()
            page.wait_for_timeout(1500)  # charts and maps are drawn after the page
            height = page.get_by_test_id("stMain").evaluate("element => element.scrollHeight")
            page.set_viewport_size({"width": width, "height": min(height + 60, 6000)})
            page.wait_for_timeout(700)
            page.screenshot(path=FOLDER / f"{name} {theme} {width}.png")
            context.close()


def visit_with_sample(browser: Any, server: str) -> None:
    """Every page as the sample project fills it, and a training on it."""
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(2 * PATIENCE)
    page.goto(f"{server}/test")
    page.get_by_role("button", name="Load a sample project").click()
    expect(metric(page, re.compile("Accuracy on"))).to_be_visible()
    go(page, "Sort")
    page.get_by_role("button", name="Try it with sample photos").click()
    expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
    go(page, "Evidence")
    page.get_by_role("button", name="Find what each class relies on").click()
    expect(page.get_by_text("decided by")).to_be_visible()
    token = urlsplit(page.url).query
    for name in ("", "teach", "test", "evidence", "sort", "method", *PLACES):
        shoot(page, f"{server}/{name}?{token}", f"{name or 'explore'}, sample")
    for tab in ("None of these", "Labels"):
        shoot(page, f"{server}/test?{token}", f"test, {tab.lower()}", opened=(tab,))
    go(page, "Teach")
    rounds(page, 400)  # long enough for four pictures of it
    page.get_by_role("button", name="Train again", exact=True).click()
    expect(page.get_by_text(re.compile("Training, step [1-9]"))).to_be_visible()
    shoot(page, page.url, "teach, in training")
    expect(page.get_by_text("Done:")).to_be_visible(timeout=10 * PATIENCE)
    shoot(page, page.url, "teach, trained")


def visit(browser: Any, server: str) -> None:
    """Every page empty, and Explore before anything was taught."""
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(2 * PATIENCE)
    page.goto(server)
    page.get_by_role("heading", level=1).wait_for()
    shoot(page, server, "explore, empty")
    for name in ("teach", "test", "evidence", "sort", "method"):
        shoot(page, f"{server}/{name}", f"{name}, empty")
    choose_photo(page, "Cat")
    expect(answer(page)).to_contain_text("%")
    shoot(page, page.url, "explore, zero-shot")
    shoot(page, page.url, "explore, more backbones", opened=("Settings", "More backbones"))
    page.get_by_role("button", name="Cover regions").click()
    page.locator(".cell").nth(90).drag_to(page.locator(".cell").nth(95))
    expect(page.locator("p.was")).to_contain_text("Before covering")
    shoot(page, page.url, "explore, covered")


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server, launched() as browser:
        visit(browser, server)
        visit_with_sample(browser, server)
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
