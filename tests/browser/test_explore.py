"""The page Explore in a real browser: upload, read, move k, walk through regions, edit names. No request leaves."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.browsing import (
    PATIENCE,
    Page,
    TimeoutError,
    answer,
    choose_photo,
    expect,
    files_into,
    name_classes,
    number,
    photo,
    pick,
    press,
    reads,
    settled,
    told,
    upload,
)


def test_enter_adds_the_name_that_was_typed_and_no_other(page: Page) -> None:
    """Where the field completes names, Enter takes all that match, or the first."""
    files_into(page, "Upload photos", [upload("my cat.jpg", photo("Cat"))])
    chips = page.get_by_test_id("stMultiSelect").locator("[data-tag]")
    expect(chips.nth(1)).not_to_have_text("dog")  # one of the names of the sample that stood there before
    for name in ("beret", "pen", "do"):  # the last begins one that is there
        before = chips.all_inner_texts()
        page.get_by_role("combobox", name="What might it be?").fill(name)
        press(page, "Enter", "Escape")
        settled(page)
        expect(chips).to_have_text([*before, name])


def test_upload_read_and_move_k_with_the_keyboard(page: Page) -> None:
    """What moves with a hand needs no run of the page; what the page says in words follows when the hand lets go."""
    files_into(page, "Upload photos", [upload("my cat.jpg", photo("Cat"))])
    expect(page.get_by_test_id("stMultiSelect").locator("[data-tag]")).to_have_count(5)
    name_classes(page, "tabby cat, tiger cat, Egyptian cat")  # three that are hard to tell apart
    expect(answer(page)).to_contain_text("%")
    page.get_by_text("All numbers in a table").click()
    settled(page)
    together, mean = page.get_by_text("Together:").locator("strong"), page.locator(".sum")
    answer_before, score_before, mean_before = (part.text_content() for part in (answer(page), together, mean))
    outlined = page.get_by_role("gridcell", name=re.compile(", outlined"))
    expect(outlined).to_have_count(5)

    page.get_by_role("slider", name="k of local prompt 1").focus()
    press(page, *["ArrowRight"] * 7)
    expect(mean).to_have_text(re.compile(r"^Mean of the 12 outlined regions: "))
    assert number(mean.text_content()) < number(mean_before), "a mean over more regions than the best is lower"
    expect(outlined).to_have_count(12)
    expect(together).not_to_have_text(score_before)
    settled(page)
    expect(page.get_by_role("slider", name="k of local prompt 1")).to_be_focused()
    score_now = together.inner_text()
    page.keyboard.press("End")
    expect(mean).to_have_text(re.compile(r"^Mean of the 196 outlined regions: "))
    expect(answer(page)).not_to_have_text(answer_before)
    expect(together).not_to_have_text(score_now)  # the page has heard of it
    settled(page)
    page.reload()
    expect(mean).to_have_text(re.compile(r"^Mean of the 196 outlined regions: "))
    settled(page)
    page.context.set_offline(True)
    page.get_by_label("Local prompt 1: its k best regions").fill("5")
    expect(page.locator(".cell.outlined")).to_have_count(5)
    expect(answer(page)).to_have_text(answer_before)


@pytest.mark.slow
def test_photo_and_cosines_are_sent_once(new_page: Any) -> None:
    """And not after each movement, which changes nothing of them."""
    page, heard = new_page(), []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(len(frame))))
    page.reload()
    expect(answer(page)).to_contain_text("cat")
    settled(page)
    assert sum(heard) > 100_000, "a photo and its cosines"
    heard.clear()
    field = page.get_by_label("Local prompt 1: its k best regions")
    for k in ("9", "17", "30"):
        with told(page):
            field.fill(k)
            field.press("Tab")
        expect(page.locator(".cell.outlined")).to_have_count(int(k))
        assert (sum(heard) < 20_000) == (k != "9"), "after the first movement the page is known to have them"
        heard.clear()


@pytest.mark.slow
def test_what_was_done_just_before_a_reload_or_another_photo_is_not_lost(page: Page) -> None:
    choose_photo(page, "Coffee", "cup of coffee")
    settled(page)
    page.get_by_role("slider", name="k of local prompt 1").focus()
    press(page, *["ArrowRight"] * 4)
    page.reload()  # at once: nothing was told yet
    expect(answer(page)).to_contain_text("cup of coffee")
    expect(page.get_by_label("Local prompt 1: its k best regions")).to_have_value("9")
    settled(page)
    page.wait_for_timeout(600)
    page.reload()
    expect(page.get_by_label("Local prompt 1: its k best regions")).to_have_value("9")
    settled(page)
    page.get_by_role("gridcell", name=re.compile("row 5, column 8")).click()
    choose_photo(page, "Rocket", "rocket")
    settled(page)
    expect(page.locator(".asked .title")).to_be_hidden()
    choose_photo(page, "Coffee")
    expect(page.locator(".asked .title")).to_contain_text("row 5, column 8")


@pytest.mark.slow
def test_the_first_screen_needs_no_scrolling_and_on_a_phone_the_answer_is_above_the_map(new_page: Any) -> None:
    page = new_page(viewport={"width": 1280, "height": 800})
    settled(page)
    sample, stage = page.get_by_role("button", name="Load a sample project"), page.locator(".explainer .stage")
    for part in (
        *(stage, answer(page), page.locator(".explainer .bars"), sample),
        page.get_by_role("slider", name="k of local prompt 1"),
        page.get_by_role("button", name="Teach it your own classes"),
    ):
        expect(part).to_be_in_viewport(ratio=1)
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    settled(page)
    tops = [part.bounding_box()["y"] for part in (sample, answer(page), stage)]
    assert tops == sorted(tops)
    assert tops[-1] < 844


@pytest.mark.slow
def test_a_screen_reader_is_told_the_answer_once(page: Page) -> None:
    said = page.locator("p.spoken")
    expect(said).to_contain_text(re.compile(r"Answer: cat, [\d.]+ %\. Then (.+ [\d.]+ %, ){3}.+ [\d.]+ %\."))
    expect(said).to_contain_text(re.compile(r"Local prompt 1, 5 best regions: .+ of 5 regions\."))
    settled(page)
    tree = page.locator("body").aria_snapshot()
    assert tree.count("Answer: cat, ") == 1
    assert said.evaluate("node => [node.ariaLive, node.clientHeight]") == ["polite", 1]


@pytest.mark.slow
def test_a_local_prompts_dot_chooses_its_map_and_a_global_ones_is_marked(page: Page) -> None:
    dots = page.get_by_role("group", name="Prompts by score")
    local, whole = (dots.get_by_role("button", name=re.compile(f"^{kind} prompt 2: ")) for kind in ("Local", "Global"))
    with told(page):
        local.click()
    expect(page.get_by_label("Local prompt 2: its k best regions")).to_be_visible()
    with told(page):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Local prompt 3: its k best regions")).to_be_visible()
    whole.click()
    expect(whole).to_have_attribute("aria-pressed", "true")
    said = re.compile("^Global 2 says “part of a cat”: cat 0.0813, rabbit .*, dog .*")
    expect(page.locator(".classes")).to_have_text(said)
    expect(page.get_by_label("Local prompt 3: its k best regions")).to_be_visible()


@pytest.mark.slow
def test_a_region_is_asked_with_the_mouse_and_with_the_keyboard(page: Page) -> None:
    choose_photo(page, "Coffee", "cup of coffee")
    page.get_by_role("button", name="Local prompt 2, the 10 regions").click()
    grid = page.get_by_role("grid", name=re.compile("Map of local prompt 2"))
    cell = grid.get_by_role("gridcell", name=re.compile("row 5, column 8"))
    settled(page)
    cell.scroll_into_view_if_needed()
    end = time.monotonic() + PATIENCE / 1000
    while "row" not in page.locator(".pointed").inner_text():
        assert time.monotonic() < end, "the region under the mouse is not told"
        page.mouse.move(0, 0)  # where the page moved under the mouse meanwhile, a browser tells nobody: then once more
        cell.hover()
        page.wait_for_timeout(100)
    expect(page.locator(".pointed")).to_have_text(re.compile(r"^Upper centre, row 5, column 8: \d\.\d{4}"))
    cell.click()
    asked = page.locator(".asked .title")
    expect(asked).to_contain_text("row 5, column 8")
    expect(page.locator(".asked .bar")).to_have_count(5)
    settled(page)

    page.keyboard.press("ArrowLeft")
    expect(asked).to_contain_text("row 5, column 8")
    with told(page):
        page.keyboard.press("Space")
        expect(asked).to_contain_text("row 5, column 7:")
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.tabIndex") == 0, "the focus outlives the run"
    choose_photo(page, "Rocket", "rocket")
    expect(asked).to_be_hidden()


def own(page: Page) -> Any:
    """The photos of the visitor's, the newest first."""
    return page.get_by_role("group", name="Photos").get_by_role("button", name=re.compile("^Take .* away$"))


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


@pytest.mark.slow
def test_a_photo_from_the_webcam_is_answered(page: Page) -> None:
    """The browser's own moving test picture stands in for a camera."""
    page.get_by_role("button", name="Webcam, folder").click()
    pick(page, "Webcam")
    snap(page)
    expect(own(page)).to_have_count(1)
    expect(own(page)).to_have_accessible_name(re.compile("camera"))
    # The camera is ready for the next one. The test picture moves, but comes round again: an equal one is no new photo.
    end = time.monotonic() + PATIENCE / 1000
    while own(page).count() < 2:
        assert time.monotonic() < end, "no second photo is taken"
        snap(page)
        page.wait_for_timeout(300)
        settled(page)
    expect(own(page)).to_have_count(2)


@pytest.mark.slow
def test_another_page_asked_for_while_photos_are_read_is_reached(page: Page) -> None:
    """And nothing of the upload is lost."""
    pieces = [
        upload(f"{i}.jpg", photo("Cat").crop((10 * i, 0, 300 + 10 * i, 300)).resize((3000, 3000))) for i in range(8)
    ]
    files_into(page, "Upload photos", pieces)
    reads(page, "Reading the files")
    page.get_by_role("link", name="Teach").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Teach")
    page.wait_for_timeout(3000)  # a run that ends later must not lead back
    expect(page.get_by_role("heading", level=1)).to_have_text("Teach")
    page.get_by_role("link", name="Explore").click()
    expect(own(page)).to_have_count(len(pieces))


@pytest.mark.slow
def test_regions_are_covered_by_hand_and_by_key_and_uncovered(page: Page) -> None:
    expect(answer(page)).to_contain_text("cat")
    settled(page)
    untouched, covered, was = answer(page).inner_text(), page.locator(".cell.covered"), page.locator("p.was")
    page.get_by_role("button", name="Cover regions").click()
    left, top, width, height = (page.locator(".cells").bounding_box() or {}).values()
    with told(page):
        page.mouse.move(left + 2, top + 0.55 * height)
        page.mouse.down()
        page.mouse.move(left + width - 2, top + 0.55 * height)
        expect(covered).to_have_count(14)
        page.mouse.up()
    expect(was).to_have_text(re.compile("^Before covering: cat, "))
    expect(answer(page)).not_to_have_text(untouched)
    page.locator(".cell").nth(1).focus()
    press(page, "Space", "ArrowRight", "Enter")
    expect(covered).to_have_count(16)
    settled(page)
    seen = page.locator(".stage .photo")
    blurred = seen.get_attribute("src") or ""
    page.get_by_label("Covered with").select_option("grey")
    expect(seen).not_to_have_attribute("src", blurred)
    settled(page)
    page.reload()
    expect(covered).to_have_count(16)
    expect(was).to_have_text(re.compile("^Before covering: cat, "))
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(covered).to_have_count(0)
    expect(answer(page)).to_have_text(untouched)
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(covered).to_have_count(16)
    choose_photo(page, "Coffee", "cup of coffee")
    expect(covered).to_have_count(0)
