"""The page Explore in a real browser: upload, read, move k, walk through regions, edit names. No request leaves."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import (
    HOSTILE,
    PATIENCE,
    Page,
    TimeoutError,
    answer,
    expect,
    files_into,
    number,
    options_of,
    photo,
    pick,
    settled,
    upload,
    write,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def page(new_page: Any) -> Page:
    return new_page()


def test_upload_read_and_move_k_with_the_keyboard(page: Page) -> None:
    """What moves with a hand needs no run of the page; what the page says in words follows when the hand lets go."""
    write(
        page, "One on each line, or with commas", "tabby cat, tiger cat, Egyptian cat"
    )  # three that are hard to tell apart
    files_into(page, "Upload photos", [upload("my cat.jpg", photo("Cat"))])
    expect(answer(page)).to_contain_text("%")
    expect(page.get_by_text("All numbers as a table")).to_be_visible()
    settled(page)
    answer_before = answer(page).inner_text()
    together = page.get_by_text("Together:").locator("strong")
    score_before = together.inner_text()
    outlined = page.get_by_role("gridcell", name=re.compile(", outlined"))
    expect(outlined).to_have_count(5)
    mean_before = number(page.locator(".sum").inner_text())

    slider = page.get_by_role("slider", name="k of local prompt 1")
    slider.focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".sum")).to_have_text(re.compile(r"^Mean of the 12 outlined regions: "))
    assert number(page.locator(".sum").inner_text()) < mean_before, "a mean over more regions than the best is lower"
    expect(outlined).to_have_count(12)
    expect(together).not_to_have_text(score_before)
    settled(page)
    expect(page.get_by_role("slider", name="k of local prompt 1")).to_be_focused()
    score_now = together.inner_text()
    page.keyboard.press("End")
    expect(page.locator(".sum")).to_have_text(re.compile(r"^Mean of the 196 outlined regions: "))
    expect(answer(page)).not_to_have_text(answer_before)
    expect(together).not_to_have_text(score_now)  # the page has heard of it
    settled(page)
    page.reload()
    expect(page.locator(".sum")).to_have_text(re.compile(r"^Mean of the 196 outlined regions: "))


def test_k_moves_without_a_run_of_the_page_and_without_a_connection(page: Page) -> None:
    page.get_by_role("button", name="Coffee").click()
    expect(answer(page)).to_contain_text("cup of coffee")
    settled(page)
    page.context.set_offline(True)
    before = answer(page).inner_text()
    page.get_by_label("Local prompt 1: its k best regions").fill("150")
    expect(page.locator(".cell.kept")).to_have_count(150)
    expect(answer(page)).not_to_have_text(before)
    page.context.set_offline(False)


def test_a_region_is_asked_with_the_mouse_and_with_the_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Coffee").click()
    expect(answer(page)).to_contain_text("cup of coffee")
    page.get_by_role("button", name="Local prompt 2, k = 10").click()
    grid = page.get_by_role("grid", name=re.compile("Map of local prompt 2"))
    cell = grid.get_by_role("gridcell", name=re.compile("row 5, column 8"))
    settled(page)
    cell.scroll_into_view_if_needed()
    cell.hover()
    expect(page.locator(".pointed")).to_have_text(re.compile(r"^Upper centre, row 5, column 8: \d\.\d{4}"))
    cell.click()
    asked = page.locator(".asked .title")
    expect(asked).to_contain_text("row 5, column 8")
    expect(page.locator(".asked .bar")).to_have_count(5)
    settled(page)

    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Home", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    expect(page.locator(".pointed")).to_have_text(re.compile("row 6, column 2: "))
    expect(asked).to_contain_text("row 5, column 8")
    page.keyboard.press("Enter")
    expect(asked).to_contain_text("row 6, column 2")
    expect(grid.get_by_role("gridcell", selected=True)).to_have_accessible_name(re.compile("row 6, column 2"))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")  # at the edge it stays
    page.keyboard.press("Space")
    expect(asked).to_contain_text("row 6, column 1:")
    page.wait_for_timeout(500)
    settled(page)
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.tabIndex") == 0, "the focus outlives the run"
    page.get_by_role("button", name="Rocket", exact=True).click()
    expect(answer(page)).to_contain_text("rocket")
    expect(asked).to_be_hidden()


def test_another_list_of_names_is_another_answer(page: Page) -> None:
    page.get_by_role("button", name="Rocket").click()
    expect(answer(page)).to_contain_text("rocket")
    write(page, "One on each line, or with commas", "street lamp, lighthouse")
    expect(answer(page)).to_contain_text(re.compile("street lamp|lighthouse"))
    before = answer(page).inner_text()
    page.get_by_text("Templates: the words around a name").click()
    write(page, "One on each line, up to 4", "a {} at night")
    expect(answer(page)).not_to_have_text(before)


def test_hostile_names_are_shown_as_typed_and_ask_nothing(page: Page) -> None:
    write(page, "One on each line, or with commas", f"{HOSTILE}\n<b>bold</b>\n<img src=http://example.invalid/y.png>")
    page.get_by_role("button", name="Cat").click()
    expect(answer(page)).to_contain_text("%")
    options = page.get_by_label("Class explained").locator("option")
    names = [HOSTILE, "<b>bold</b>", "<img src=http://example.invalid/y.png>"]
    expect(options).to_have_text([re.compile("^Most probable"), *names])
    labels = page.get_by_role("grid", name=re.compile("Map of local prompt 1")).get_by_role("gridcell")
    expect(labels.first).to_have_accessible_name(re.compile("most like (!\\[x\\]|<b>bold</b>|<img src)"))
    expect(page.locator("img[src*='example.invalid'], a[href*='example.invalid']")).to_have_count(0)
    expect(page.locator("b", has_text="bold")).to_have_count(0)


def test_files_that_are_no_photos_are_refused_one_by_one(page: Page) -> None:
    words = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"these are words"}
    cut = upload("cut.jpg", photo("Cat"))
    cut["buffer"] = cut["buffer"][:9000]
    files_into(page, "Upload photos", [upload("good.jpg", photo("Coffee")), words, cut])
    expect(page.get_by_text("1 taken, 2 not taken:")).to_be_visible()
    refused = page.get_by_test_id("stAlert").get_by_role("listitem").all_inner_texts()
    assert ["words.jpg" in refused[0], "cut.jpg" in refused[1], len(refused)] == [True, True, 2]
    expect(answer(page)).to_have_text(re.compile("cup of coffee"))


def snap(page: Page) -> None:
    """A click does nothing until the camera runs, and the page learns of that after its picture: then once more."""
    page.wait_for_function("() => document.querySelector('video')?.readyState === 4")
    for _ in range(6):
        try:
            with page.expect_request(lambda request: request.method == "PUT", timeout=PATIENCE / 6):
                page.get_by_role("button", name="Take Photo").click()
            return
        except TimeoutError:
            continue
    raise AssertionError("the camera takes no photo")


def test_a_photo_from_the_webcam_is_answered(page: Page) -> None:
    """The browser's own moving test picture stands in for a camera."""
    pick(page, "Webcam")
    snap(page)
    expect(answer(page)).to_contain_text("%")
    first = page.get_by_role("combobox", name="Photo shown").input_value()
    assert first.startswith("camera")
    # The camera is ready for the next one, and the picture moves.
    snap(page)
    expect(page.get_by_role("combobox", name="Photo shown")).not_to_have_value(first)
    assert len(options_of(page, "Photo shown")) == 2


def test_another_page_asked_for_while_photos_are_read_is_reached(page: Page) -> None:
    """And nothing of the upload is lost."""
    pieces = [
        upload(f"{i}.jpg", photo("Cat").crop((10 * i, 0, 300 + 10 * i, 300)).resize((3000, 3000))) for i in range(8)
    ]
    files_into(page, "Upload photos", pieces)
    expect(page.get_by_text("Reading the files")).to_be_visible()
    page.get_by_role("link", name="Teach").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Teach")
    page.wait_for_timeout(3000)  # a run that ends later must not lead back
    expect(page.get_by_role("heading", level=1)).to_have_text("Teach")
    page.get_by_role("link", name="Explore").click()
    expect(answer(page)).to_contain_text("%")
    assert len(options_of(page, "Photo shown")) == len(pieces)
