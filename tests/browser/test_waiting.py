"""What is seen of the first page before Streamlit has drawn it: true, at its place, in nobody's way, gone in time."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.ui.explore.waiting import PICTURE
from docs.pictures.first import PNG, WINDOW, taken
from tests.browser.test_bearing import broken_rules
from tests.browsing import RUNS, Page, answer, choose_photo, expect, settled

LIVING = "[data-testid=stMain] .explainer"
PARTS = {"photo": ".stage", "verdict": ".best", "bars": ".bars", "legend": ".legend", "k": ".k"}
NEAR = 3
"""Pixels that nobody sees move."""

STILL = 0.02
"""Cumulative layout shift that nobody notices."""
_WATCHED = """() => {
    const watched = (window.watched = { shifts: 0 });
    const now = (name) => () => (watched[name] ??= performance.now());
    document.addEventListener("painted", now("painted"), { capture: true });
    const gone = now("gone");
    const looked = new MutationObserver(() => document.querySelector("#waiting") || gone());
    looked.observe(document.body, { childList: true });
    new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (watched.shifts += value))).observe({
        type: "layout-shift",
        buffered: true,
    });
}"""
Open = Callable[..., tuple[Page, list[Any]]]


@pytest.fixture
def held(browser: Any, app_server: str) -> Iterator[Open]:
    """A function that gives a visitor the page, but not Streamlit's script, and returns the requests for that too."""

    def make(longest: str = "Infinity", **settings: Any) -> tuple[Page, list[Any]]:
        context, routes = (
            stack.enter_context(browser.new_context(**{"reduced_motion": "reduce"} | settings)),
            list[Any](),
        )
        context.add_init_script(RUNS)
        page: Page = context.new_page()
        stack.callback(page.unroute_all, behavior="ignoreErrors")

        def open_(route: Any) -> None:
            """As it is sent, but that a test sees into it, and chooses how long it may stand."""
            sent = route.fetch().text().replace('shadowrootmode="closed"', 'shadowrootmode="open"')
            sent = sent.replace("LONGEST = 10_000", f"LONGEST = {longest}")
            route.fulfill(body=sent, content_type="text/html; charset=utf-8")

        page.route("**/static/js/index.*.js", lambda route: routes.append(route))
        page.route(re.compile(rf"^{re.escape(app_server)}/(\?.*)?$"), open_)
        page.goto(app_server, wait_until="commit")
        return page, routes

    with ExitStack() as stack:
        yield make


def boxes(page: Page, inside: str) -> dict[str, list[float]]:
    found = {name: page.locator(f"{inside} {part}").first.bounding_box() for name, part in PARTS.items()}
    return {name: [box[side] for side in ("x", "y", "width", "height")] for name, box in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (820, "dark"), (390, "dark"), (390, "light")])
def test_it_is_there_before_streamlit_and_nothing_jumps_when_it_goes(held: Open, width: int, theme: str) -> None:
    page, routes = held(viewport={"width": width, "height": 800}, color_scheme=theme)
    expect(page.locator("#waiting .best")).to_contain_text("%")
    assert page.locator("#root > *").count() == 0
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    assert broken_rules(page, theme) == []
    before = boxes(page, "#waiting")
    colour = page.locator("#waiting").evaluate("it => getComputedStyle(it).backgroundColor")
    words = page.locator("#waiting .best").inner_text()
    page.evaluate(_WATCHED)
    for route in routes:
        route.continue_()
    expect(page.locator("#waiting")).to_have_count(0)
    settled(page)
    assert page.evaluate("watched.painted && watched.gone >= watched.painted"), "an answer is there all the time"
    assert page.evaluate("watched.shifts") < STILL
    expect(answer(page)).to_have_text(words, use_inner_text=True)
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", colour)
    assert boxes(page, LIVING) == {name: pytest.approx(box, abs=NEAR) for name, box in before.items()}


@pytest.mark.slow
def test_the_picture_is_what_the_living_page_shows(new_page: Any) -> None:
    now, kept = taken(new_page(**WINDOW)), PICTURE.read_text(encoding="utf-8")
    assert PNG.sub("", now) == PNG.sub("", kept), "python -m docs.pictures.first takes it again"
    for mine, theirs in zip(PNG.findall(kept), PNG.findall(now), strict=True):
        pixels = [np.asarray(Image.open(io.BytesIO(base64.b64decode(png))), dtype=float) for png in (mine, theirs)]
        assert pixels[0].shape == pixels[1].shape
        assert np.abs(pixels[0] - pixels[1]).mean() < 1


@pytest.mark.slow
def test_a_theme_that_was_chosen_in_the_menu_is_that_of_the_picture(new_page: Any, app_server: str) -> None:
    page = new_page(color_scheme="light")
    settled(page)
    page.get_by_test_id("stMainMenu").click()
    page.get_by_role("menuitemradio", name="Dark").click()
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", "dark")
    page.route("**/static/js/index.*.js", lambda route: None)
    page.goto(app_server, wait_until="commit")
    expect(page.locator("#waiting")).to_have_css("background-color", "rgb(4, 6, 6)")


@pytest.mark.slow
def test_it_is_in_nobodys_way(held: Open) -> None:
    page, _ = held(viewport={"width": 1280, "height": 800})
    expect(page.locator("#waiting .best")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Loading …")
    page.mouse.click(300, 500)
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "BODY"
    assert page.evaluate("document.elementFromPoint(300, 500)?.closest('#waiting') ?? null") is None
    assert page.get_by_role("button").count() == page.get_by_role("slider").count() == 0, "for who listens"


@pytest.mark.slow
@pytest.mark.parametrize(("longest", "broken"), [("Infinity", True), ("2_000", False)])
def test_it_goes_where_the_page_cannot_come_and_after_some_seconds(held: Open, longest: str, broken: bool) -> None:
    page, routes = held(longest)
    expect(page.locator("#waiting .best")).to_be_visible()
    for route in routes * broken:
        route.abort()
    expect(page.locator("#waiting")).to_have_count(0, timeout=5000)


def test_without_scripts_there_is_no_picture_of_what_cannot_come(held: Open) -> None:
    page, _ = held(java_script_enabled=False)
    expect(page.locator("noscript p").first).to_be_visible()
    expect(page.locator("#waiting .best")).to_be_hidden()


@pytest.mark.slow
def test_who_has_chosen_another_photo_does_not_see_the_first_one_again(new_page: Any) -> None:
    page = new_page()
    settled(page)
    assert "waiting" in page.request.get(page.url).text()
    choose_photo(page, "Coffee", "cup of coffee")
    settled(page)
    assert "waiting" not in page.request.get(page.url).text()
