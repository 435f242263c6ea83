"""The first minute in a real browser: from nothing to full pages with one click, and back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import PATIENCE, Page, answer, expect, go, limit_track, metric

pytestmark = pytest.mark.browser


def test_a_visitor_without_photos_sees_every_page_full(new_page: Any) -> None:
    page: Page = new_page()
    go(page, "Test")
    page.get_by_role("button", name="Try it with a sample project").click()
    expect(metric(page, re.compile("Right on the"))).to_contain_text("%", timeout=4 * PATIENCE)  # torch and mini first
    expect(limit_track(page)).to_be_visible()
    for name, heading in (("Prompts", "worth"), ("Compare", "Keep or remove"), ("Export", "3. As code")):
        go(page, name)
        expect(page.get_by_role("heading", name=re.compile(heading))).to_be_visible()
        expect(page.get_by_text("Start here")).to_have_count(0)
    go(page, "Method")
    expect(page.get_by_role("tab", name="Crop")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    expect(answer(page)).to_contain_text("%")
    page.reload()
    expect(answer(page)).to_contain_text("%")
    go(page, "Teach")
    expect(page.get_by_text("8 to learn from, 6 to test with")).to_have_count(4)
    page.get_by_role("button", name="Remove the sample").click()
    expect(page.get_by_role("button", name="Try it with a sample project")).to_be_visible()
    expect(page.get_by_text("8 to learn from")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("8 to learn from, 6 to test with")).to_have_count(4)
