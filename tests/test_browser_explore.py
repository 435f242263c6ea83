"""The page Explore in a real browser: upload, read a score, move k with the keyboard. No request leaves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import HOSTILE, Page, answer, expect, files_into, number, photo, upload, write

pytestmark = pytest.mark.browser


@pytest.fixture
def page(new_page: Any) -> Page:
    return new_page()


def test_upload_read_and_move_k_with_the_keyboard(page: Page) -> None:
    write(
        page, "One on each line, or with commas", "tabby cat, tiger cat, Egyptian cat"
    )  # three that are hard to tell apart
    files_into(page, "Upload photos", [upload("my cat.jpg", photo("Cat"))])
    expect(answer(page)).to_contain_text("%")
    answer_before = answer(page).inner_text()
    assert 33 <= number(answer_before.replace(">", "")) <= 100
    together = page.get_by_text("Together:")
    score_before = number(together.locator("strong").inner_text())
    picture = page.get_by_role("img", name=re.compile("Map of local prompt 1"))
    source_before = picture.get_attribute("src")

    line = page.get_by_text(re.compile(r"^k = 5: mean of 5 regions"))
    mean_before = number(line.inner_text())
    slider = page.get_by_role("slider", name=re.compile("Local prompt 1"))
    slider.focus()
    for _ in range(30):
        slider.press("ArrowRight")
    line = page.get_by_text(re.compile(r"^k = 35: mean of 35 regions .* = the score$"))
    expect(line).to_be_visible()
    assert number(line.inner_text()) < mean_before, "a mean over more regions than the best is lower"
    expect(together.locator("strong")).not_to_have_text(f"{score_before:.4f}")
    expect(picture).not_to_have_attribute("src", str(source_before))
    slider.press("End")
    expect(page.get_by_text(re.compile(r"^k = 196: mean of 196 regions .* = the score$"))).to_be_visible()
    expect(answer(page)).not_to_have_text(answer_before)


def test_hostile_names_are_shown_as_typed_and_ask_nothing(page: Page) -> None:
    write(page, "One on each line, or with commas", f"{HOSTILE}\n<b>bold</b>\n<img src=http://example.invalid/y.png>")
    page.get_by_role("button", name="Cat").click()
    expect(answer(page)).to_contain_text("%")
    page.get_by_role("combobox", name="Class explained").click()
    options = [option.replace("\u2060", "") for option in page.get_by_role("option").all_inner_texts()]
    assert options == ["The most probable", HOSTILE, "<b>bold</b>", "<img src=http://example.invalid/y.png>"]
    expect(page.locator("img[src*='example.invalid'], a[href*='example.invalid']")).to_have_count(0)


def test_files_that_are_no_photos_are_refused_one_by_one(page: Page) -> None:
    words = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"these are words"}
    cut = upload("cut.jpg", photo("Cat"))
    cut["buffer"] = cut["buffer"][:9000]
    files_into(page, "Upload photos", [upload("good.jpg", photo("Coffee")), words, cut])
    expect(page.get_by_text("1 taken, 2 not taken:")).to_be_visible()
    refused = page.get_by_test_id("stAlert").get_by_role("listitem").all_inner_texts()
    assert ["words.jpg" in refused[0], "cut.jpg" in refused[1], len(refused)] == [True, True, 2]
    expect(answer(page)).to_have_text(re.compile("cup of coffee"))
