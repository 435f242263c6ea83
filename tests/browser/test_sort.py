"""The page Sort in a real browser: a newcomer's a line dragged, photos corrected and checked, also by keys."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import PATIENCE, Page, drag, expect, go, press, settled


def accepted(page: Page) -> int:
    words = page.get_by_role("slider", name="Line").get_attribute("aria-valuetext")
    return int(re.findall(r"Above the line: (\d+) of 33", words or "")[0])


def place_of(found: Any) -> tuple[float, float]:
    box = found.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.slow
def test_a_pile_is_sorted_corrected_and_checked(page: Page) -> None:
    go(page, "Sort")
    page.get_by_role("button", name="Try it with sample photos").click()
    photos, selected = page.get_by_role("listbox").get_by_role("option"), page.locator(".pile .count")
    expect(photos.first).to_have_attribute("aria-setsize", "33", timeout=4 * PATIENCE)  # torch and mini first
    expect(photos.first.locator("img")).to_have_attribute("src", re.compile("^data:image/jpeg"))

    # Many at once: shift-click, a lasso, then keys alone.
    photos.nth(1).click()
    photos.nth(4).click(modifiers=["Shift"])
    expect(selected).to_have_text("4 selected")
    page.get_by_role("button", name="Clear").click()
    first, second = place_of(photos.nth(0)), place_of(photos.nth(1))
    drag(page, (first[0], first[1] - 20), second)
    expect(selected).to_have_text("2 selected")
    page.get_by_role("listbox").focus()
    press(page, "Escape", "Home", "Shift+ArrowRight", "3")
    for photo in (photos.nth(0), photos.nth(1)):
        expect(photo).to_have_attribute("aria-label", re.compile("teapot, by you, accepted"))
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator(".tile").filter(has_text="by you")).to_have_count(0)

    # The line: by keys, and dragged up a row.
    slider = page.get_by_role("slider", name="Line")
    slider.press("End")
    at_end = accepted(page)
    slider.press("ArrowLeft")
    assert accepted(page) == at_end - 1
    settled(page)
    line = place_of(page.locator(".list > .line"))
    drag(page, line, (line[0], line[1] - 160))
    settled(page)
    now = accepted(page)
    assert 0 < now < at_end - 1
    expect(page.get_by_text(re.compile(f"^{now} photos accepted"))).to_be_visible()

    # Checks: all but one are right.
    page.get_by_role("button", name="Check a sample").click()
    asked = page.get_by_role("button", name=re.compile("^Wrong: "))
    expect(asked.first).to_be_focused()
    page.keyboard.press("n")
    expect(asked.first).to_have_attribute("aria-pressed", "true")
    words = page.locator(".promise .words")
    before = words.inner_text()
    page.get_by_role("button", name=re.compile("^[0-9]+ are right, 1 wrong$")).click()
    expect(words).not_to_have_text(before)
    page.get_by_role("button", name="Undo (u)").click()
    expect(words).to_have_text(before)
    while asked.count():
        settled(page)
        page.get_by_role("button", name=re.compile("^All [0-9]+ are right")).click()
        settled(page)
    expect(words).to_have_text(f"At most 5 % of these {now} photos are wrong (all checked).")
    page.get_by_role("button", name="Back to all photos").click()

    # The page is another one, and the pile is there again.
    go(page, "Teach")
    go(page, "Sort")
    expect(photos.first.locator("img")).to_have_attribute("src", re.compile("^data:image/jpeg"))
    assert accepted(page) == now
    expect(words).to_contain_text("all checked")

    # The promise is kept, so more can be accepted.
    page.get_by_role("button", name=re.compile("^Accept [0-9]+, checked anew$")).click()
    settled(page)
    assert accepted(page) > now
    expect(words).not_to_contain_text("all checked")
