"""The pages in a real browser: addresses that there were lead on, and the first line is the same on all."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from app.ui.moved import PLACES
from tests.browsing import Page, expect, go, open_sample, reads, settled

LEAD = {"prompts": ("Evidence", "Prompts"), "compare": ("Test", "Runs"), "export": ("", "")}
"""By the address: the page, and the tab that is open there; without one, the dialog *Take away* is."""


def arrived(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name or "GalLoP Explorer", exact=True, level=1)).to_be_visible()
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert urlsplit(page.url).path == f"/{name.lower()}"


@pytest.mark.slow
def test_an_address_of_before_leads_to_its_place_and_opens_it(new_page: Any) -> None:
    assert set(LEAD) == set(PLACES)
    page: Page = new_page()
    server, dialog = page.url.split("?")[0].rstrip("/"), page.get_by_role("dialog")
    for address, (name, _) in LEAD.items():  # of one who has nothing yet: the page says what to do
        page.goto(f"{server}/{address}")
        arrived(page, name)
        expect(dialog).to_have_count(0)
        if name:
            expect(page.get_by_text("Start here")).to_be_visible()
    open_sample(page)
    visit = urlsplit(page.url).query
    for address, (name, tab) in LEAD.items():
        page.goto(f"{server}/{address}?{visit}")
        arrived(page, name)
        if tab:
            expect(page.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
        else:
            expect(dialog.get_by_role("heading", name="This model")).to_be_visible()
            reads(page, "The training as code")


@pytest.mark.slow
def test_the_first_line_is_of_one_height_on_every_page(new_page: Any) -> None:
    page: Page = new_page(viewport={"width": 1280, "height": 800})
    open_sample(page)
    line = page.locator(".st-key-header")
    heights = {}
    for name in ("Explore", "Teach", "Test", "Evidence", "Sort", "Method"):
        go(page, name)
        box = line.bounding_box()
        assert box is not None
        heights[name] = round(box["height"])
    assert len(set(heights.values())) == 1, heights
