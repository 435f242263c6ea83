"""The page Teach in a real browser: teach on a few photos. No request leaves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import PATIENCE, Page, answer, expect, files_into, shots, write

pytestmark = pytest.mark.browser


@pytest.fixture
def page(new_page: Any) -> Page:
    return new_page()


def test_teaching_on_a_few_photos_changes_the_probabilities(page: Page) -> None:
    write(page, "One on each line, or with commas", "kitten, tiger cat")
    page.get_by_role("button", name="Cat").click()
    expect(answer(page)).to_contain_text("%")
    zero_shot = answer(page).inner_text()

    page.get_by_role("link", name="Teach").click()
    page.get_by_role("button", name="Take the names from Explore").click()
    for name, sample in (("kitten", "Cat"), ("tiger cat", "Coffee")):
        files_into(page, f"Photos of {name}", shots(sample, 3))
    expect(page.get_by_text("3 photos", exact=True)).to_have_count(2)
    page.get_by_role("spinbutton", name="Epochs").fill("3")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    page.get_by_role("button", name="Train", exact=True).click()

    expect(page.get_by_text("Done: 3 steps on 6 photos of 2 classes")).to_be_visible(timeout=2 * PATIENCE)
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_text("Right on the 6 photos it learned from")).to_be_visible()
    expect(answer(page)).to_have_text(re.compile("^kitten"))
    taught = answer(page).inner_text()
    assert zero_shot.startswith("tiger cat")
    assert page.get_by_text("is here already").count() == 0
    page.get_by_role("radio", name="Zero-shot").or_(page.get_by_role("button", name="Zero-shot")).first.click()
    expect(answer(page)).to_have_text(zero_shot)
    assert taught != zero_shot
