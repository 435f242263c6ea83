"""The page Test in a real browser: a cell opened, a limit moved, numbers followed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import answer, choose, expect, go, limit_track, open_sample, settled

pytestmark = pytest.mark.browser


@pytest.mark.slow
def test_a_cell_is_opened_and_the_limit_moved_from_the_keyboard(new_page: Any) -> None:
    """Of the sample project: 24 test photos in four classes, one vase called a teapot, and 9 photos of none."""
    page = new_page()
    open_sample(page)
    cell = page.get_by_role("combobox", name="Photos of the cell")
    expect(cell).to_have_value("vase, answered teapot: 1 photo")
    opened = page.get_by_role("grid", name=re.compile("Map of local prompt 1. Where it sees teapot"))
    expect(opened.locator(".cell.outlined")).to_have_count(5)
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    settled(page)
    table.locator("canvas").first.focus()
    page.keyboard.press("Home")
    expect(table.locator("#glide-cell-0-0")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cell).to_have_value("candle, answered correctly: 6 photos")
    expect(page.locator(".explainer .best")).to_contain_text("candle")
    choose(page, "Photos of the cell", "vase, answered teapot: 1 photo")
    compared = page.get_by_role("combobox", name="Compared with")
    compared.select_option("vase")
    expect(page.get_by_role("grid", name=re.compile("Map of local prompt 1. Why teapot, not vase"))).to_be_visible()
    settled(page)
    expect(compared.locator("option:checked")).to_have_text("vase")  # the page has heard of it

    slider = limit_track(page)

    def does() -> tuple[int, ...]:
        """Photos kept and noticed where the limit stands."""
        words = slider.get_attribute("aria-valuetext") or ""
        told = re.fullmatch(r"accepts (\d+) of 24 known, detects (\d) of 9 unknown", words)
        assert told is not None
        return tuple(map(int, told.groups()))

    before, words_before = does(), slider.get_attribute("aria-valuetext") or ""
    expect(page.locator(".limit i.right")).to_have_count(sum(before))
    slider.focus()
    slider.press("End")
    assert does() == (24, 0)
    slider.press("Home")
    assert does() == (0, 9)
    for passing in range(1, 34):  # each step lets one more photo pass
        slider.press("ArrowRight")
        kept, noticed = does()
        assert kept + 9 - noticed == passing
    slider.press("Home")
    expect(page.get_by_text("This limit was set by hand.")).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(page.get_by_text("This limit was set by you")).to_be_visible()
    expect(answer(page)).to_contain_text("earest: ")
    go(page, "Test")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("accepts 0 of 24 known, detects 9 of 9"))
    page.get_by_role("button", name="Back to the limit set during training").click()
    expect(slider).to_have_attribute("aria-valuetext", words_before)  # once the page has heard of the click
