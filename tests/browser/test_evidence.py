"""The page Evidence in a real browser: found without a click, a cluster covered, photos chosen on the map."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import PATIENCE, Page, drag, expect, go, open_sample, pick, reads, settled

POINTS = """map => { const { xaxis, yaxis } = map._fullLayout; return map._fullData.flatMap(({ x, y }) =>
    Array.from(x, (value, i) => [xaxis._offset + xaxis.d2p(value), yaxis._offset + yaxis.d2p(y[i])])) }"""
"""Where the points of a chart are drawn, from its corner."""


def points(page: Page) -> list[tuple[float, float]]:
    """Where the photos of the map are in the window."""
    settled(page)
    drawn: Any = page.locator(".js-plotly-plot").last
    drawn.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot canvas').length")
    box = drawn.bounding_box()
    return [(box["x"] + x, box["y"] + y) for x, y in drawn.evaluate(POINTS)]


@pytest.mark.slow
def test_a_cluster_is_covered_and_photos_are_chosen_on_the_map(page: Page) -> None:
    open_sample(page)
    go(page, "Evidence")
    expect(page.get_by_role("heading", name="Map of the photos")).to_be_visible(timeout=4 * PATIENCE)
    settled(page)  # of the galleries above it, some are drawn later
    galleries = page.get_by_role("group", name="Photos")
    clusters = galleries.count()
    page.get_by_role("button", name="What if it were not there?").first.click()
    expect(page.get_by_text(re.compile("Without it .* of .* are right"))).to_be_visible(timeout=4 * PATIENCE)
    first = galleries.first.get_by_role("button").first
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    reads(page, "a photo of candle")

    places = points(page)
    assert len(places) == 24
    (left, top), (right, bottom) = (tuple(edge(axis) for axis in zip(*places, strict=True)) for edge in (min, max))
    left, top, right, bottom = left - 9, top - 9, right + 9, bottom + 9
    drag(page, (left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    expect(galleries).to_have_count(clusters + 1)
    expect(galleries.last.locator("img:visible")).to_have_count(24)

    pick(page, "click")
    x, y = points(page)[0]
    page.mouse.move(x + 2, y)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    expect(galleries.last.locator("img:visible")).to_have_count(1)
    expect(galleries.last.locator("button.choose")).to_have_attribute("aria-pressed", "true")
