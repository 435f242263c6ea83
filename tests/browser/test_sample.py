"""The first minute in a real browser: from nothing to full pages with one and back."""

from __future__ import annotations

import re

from tests.browsing import Page, answer, expect, go, limit_track, open_sample, pick


def test_a_visitor_without_photos_sees_every_page_full(page: Page) -> None:
    open_sample(page)
    expect(limit_track(page)).to_be_visible()
    for name, heading in (("Compare", "Save or remove"), ("Export", "3. The training as code"), ("Prompts", "Local 4")):
        go(page, name)
        expect(page.get_by_role("heading", name=re.compile(heading))).to_be_visible()
        expect(page.get_by_text("Start here")).to_have_count(0)
        if name == "Compare":  # as whoever starts the app at home finds it
            expect(page.get_by_text("Runs stay on this machine.")).to_be_visible()
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
    assert left[0] + 200 < left[1] < left[2] - 200, "three columns beside each other"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Privacy")).to_be_visible()
    expect(page.get_by_text("8 photos · 6 test")).to_have_count(0)
