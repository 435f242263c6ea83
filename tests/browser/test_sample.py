"""The first minute in a real browser: from nothing to full pages with one and back."""

from __future__ import annotations

import re

from tests.browsing import Page, answer, expect, go, limit_track, open_sample, open_tab, pick, reads, take_away


def test_a_visitor_without_photos_sees_every_page_full(page: Page) -> None:
    open_sample(page)
    open_tab(page, "None of these")
    expect(limit_track(page)).to_be_visible()
    open_tab(page, "Runs")
    expect(page.get_by_role("button", name="Delete A")).to_be_visible()
    page.get_by_role("heading", name="Runs").get_by_test_id("stTooltipHoverTarget").hover()
    reads(page, re.compile("They stay on this machine"))  # as whoever starts the app at home finds it
    take_away(page)
    reads(page, "The training as code")
    page.keyboard.press("Escape")
    go(page, "Evidence")
    open_tab(page, "Prompts")
    expect(page.get_by_role("heading", name=re.compile("Local 4"))).to_be_visible()
    expect(page.get_by_text("Start here")).to_have_count(0)
    together = page.get_by_text("the prompts get")
    expect(together).to_contain_text("23 of 24 test photos right")
    pick(page, "Training photos")
    expect(together).to_contain_text("of 32 training photos right")
    go(page, "Method")
    page.get_by_role("tab", name="Softmax").click()
    share = page.get_by_role("button").locator(".value").first
    before, asked = share.inner_text(), page.evaluate("runs.asked")
    page.get_by_role("slider", name="Scale").press("Home")
    expect(share).not_to_have_text(before)
    assert page.evaluate("runs.asked") == asked, "nothing runs on the server"
    page.get_by_role("link", name="Explore").click()
    expect(answer(page)).to_contain_text("%")
    page.reload()
    expect(answer(page)).to_contain_text("%")
    go(page, "Teach")
    expect(page.get_by_text("8 photos · 6 test")).to_have_count(4)
    left = [
        page.get_by_role("heading", name=name, exact=True).bounding_box()["x"] for name in ("Collect", "Train", "Try")
    ]
    assert left[0] == left[1] < left[2] - 200, "rows, and two columns below"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Privacy")).to_be_visible()
    expect(page.get_by_text("8 photos · 6 test")).to_have_count(0)
