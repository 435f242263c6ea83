"""The page Evidence in a real browser: found at a click, a cluster covered."""

from __future__ import annotations

import re

import pytest

from tests.browsing import PATIENCE, Page, expect, go, open_sample, reads, settled


@pytest.mark.slow
def test_a_cluster_is_covered_and_a_photo_of_it_is_opened(page: Page) -> None:
    open_sample(page)
    go(page, "Evidence")
    galleries = page.get_by_role("group", name="Photos")
    page.get_by_role("button", name="Find what each class relies on").click()
    expect(page.get_by_text("decided by")).to_be_visible(timeout=4 * PATIENCE)
    settled(page)
    page.get_by_role("button", name="What if it were not there?").first.click()
    expect(page.get_by_text(re.compile("Without it .* of .* are right"))).to_be_visible(timeout=4 * PATIENCE)
    first = galleries.first.get_by_role("button").first
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    reads(page, "a photo of candle")
