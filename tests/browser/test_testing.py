"""The pages Test, Prompts and Method in a real browser: a cell opened, a limit moved, numbers followed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browsing import (
    Page,
    answer,
    choose,
    expect,
    files_into,
    go,
    limit_track,
    metric,
    number,
    photo,
    pick,
    settled,
    teach_with_tests,
    upload,
)
from tests.conftest import visiting

pytestmark = pytest.mark.browser

COUNT_SENT = """
() => {
  const { send } = WebSocket.prototype;
  window.sent = 0;
  WebSocket.prototype.send = function (...data) {
    window.sent += 1;
    return send.apply(this, data);
  };
}
"""


@pytest.fixture(scope="module")
def taught(browser: Any, app_server: str) -> Iterator[tuple[str, Any]]:
    """What leads back to a visit in which two classes were taught, its address and its browser's cookies; it is not
    closed between the tests.
    """
    with visiting(browser, app_server) as make:
        page = make("teach")
        teach_with_tests(page)
        settled(page)
        yield page.url.partition("?")[2], page.context.storage_state()


@pytest.fixture
def page(new_page: Any, taught: tuple[str, Any]) -> Page:
    """One more page of that visit."""
    address, cookies = taught
    found = new_page(f"teach?{address}", storage_state=cookies)
    expect(found.get_by_text("Done: 3 step")).to_be_visible()
    settled(found)
    return found


@pytest.mark.slow
def test_a_cell_is_opened_from_the_keyboard_and_from_the_list(page: Page) -> None:
    go(page, "Test")
    expect(metric(page, "Right on the 7 test photos")).to_have_text("86 %")
    cell = page.get_by_role("combobox", name="Photos of the cell")
    expect(cell).to_have_value("kitten, said cup: 1 photo")
    expect(page.get_by_text("It said nearest: cup")).to_contain_text("it is kitten")
    opened = page.get_by_role("grid", name=re.compile("Map of local prompt 1. Where it sees cup"))
    expect(opened).to_be_visible()
    expect(opened.locator(".cell.kept")).to_have_count(5)

    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    settled(page)
    table.locator("canvas").first.focus()
    page.keyboard.press("Home")
    expect(table.locator("#glide-cell-0-0")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cell).to_have_value("cup, rightly said: 3 photos")
    expect(page.get_by_text("It said nearest: cup")).to_contain_text("the nearest is right")
    expect(page.get_by_role("combobox", name="Photo opened")).to_have_value(re.compile("^Coffee [456].jpg$"))

    choose(page, "Photos of the cell", "kitten, said cup: 1 photo")
    page.get_by_role("combobox", name="Compared with").select_option("kitten")
    expect(page.get_by_role("grid", name=re.compile("Map of local prompt 1. Why cup, not kitten"))).to_be_visible()
    settled(page)
    expect(page.get_by_role("combobox", name="Compared with")).to_have_value("1")  # the page has heard of it
    choose(page, "Photos of the cell", "kitten, rightly said: 3 photos")
    expect(page.get_by_text("It said nearest: kitten")).to_contain_text("the nearest is right")


@pytest.mark.slow
def test_the_limit_is_moved_from_the_keyboard_and_decides_on_explore_too(page: Page) -> None:
    go(page, "Test")
    files_into(page, "Photos of none of the classes", [upload("rocket.jpg", photo("Rocket"))])
    slider = limit_track(page)

    def does(words: str | re.Pattern[str]) -> None:
        expect(slider).to_have_attribute("aria-valuetext", words)

    does(re.compile(r"keeps \d of 7 known, notices [01] of 1 unknown"))
    before = slider.get_attribute("aria-valuetext") or ""
    assert page.locator(".limit i.right").count() == sum(map(int, re.findall(r"(\d) of", before)))
    slider.focus()
    slider.press("End")
    does("keeps 7 of 7 known, notices 0 of 1 unknown")
    slider.press("Home")
    does("keeps 0 of 7 known, notices 1 of 1 unknown")
    for passing in range(1, 9):  # each step lets one more photo pass
        slider.press("ArrowRight")
        kept, noticed = map(int, re.findall(r"(\d) of", slider.get_attribute("aria-valuetext") or ""))
        assert kept + 1 - noticed == passing
    slider.press("Home")
    expect(page.get_by_text("This limit was set by hand.")).to_be_visible()
    settled(page)
    does("keeps 0 of 7 known, notices 1 of 1 unknown")

    page.get_by_role("link", name="Explore", exact=True).click()
    files_into(page, "Upload photos", [upload("mine.jpg", photo("Cat"))])
    expect(answer(page)).to_contain_text("None of these nearest: ")
    expect(page.get_by_text("This limit was set by you")).to_be_visible()
    go(page, "Test")
    does("keeps 0 of 7 known, notices 1 of 1 unknown")
    page.get_by_role("button", name="Back to the limit found while teaching").click()
    does(before)


def test_prompts_and_method_follow_the_photos(page: Page) -> None:
    go(page, "Prompts")
    dashed = page.get_by_text("Dashed: with all prompts,")
    expect(dashed).to_contain_text("6 of 7 photos right")
    pick(page, "Photos it learned from")
    expect(dashed).to_contain_text("of 8 photos right")
    go(page, "Method")
    page.get_by_role("tab", name="Softmax").click()
    share = page.get_by_role("button").locator(".share").first
    before = number(share.inner_text())
    page.evaluate(COUNT_SENT)
    slider = page.get_by_role("slider", name="Scale")
    slider.focus()
    slider.press("Home")
    expect(share).not_to_have_text(re.compile(str(before)))
    assert page.evaluate("window.sent") == 0, "nothing runs on the server"
