"""In a real browser: no click is lost, and what is open stays open, while the page is drawn again."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import Page, answer, expect, files_into, go, open_menu, open_sample, reads, rounds, settled, shots


def at_once(*clicked: Any) -> None:
    """Click on all of them in one moment, as late as that in which a page reports something by itself."""
    clicked[0].evaluate("(_, all) => all.forEach((each) => each.click())", [each.element_handle() for each in clicked])


def link(page: Page, name: str) -> Any:
    return page.get_by_role("link", name=name, exact=True)


def sample(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def add(page: Page, names: str) -> None:
    """Classes on the page Teach, until the last of them is there."""
    field = page.get_by_role("textbox", name="New class")
    field.fill(names)
    field.press("Enter")
    expect(page.get_by_role("heading", name=names.split(", ")[-1], exact=True)).to_be_visible()
    settled(page)


@pytest.mark.slow
def test_who_goes_to_another_page_gets_there_whatever_the_page_before_still_reports(new_page: Any) -> None:
    page: Page = new_page()
    expect(answer(page)).to_contain_text("%")
    settled(page)
    at_once(link(page, "Sort"), sample(page, "Coffee"))
    expect(page.get_by_role("heading", name="Sort", exact=True)).to_be_visible()
    settled(page)
    expect(page).to_have_url(re.compile("/sort"))

    at_once(link(page, "Test"), link(page, "Explore"))  # whoever goes to two of them is on the last one
    expect(answer(page)).to_contain_text("%")
    settled(page)
    sample(page, "Rocket").click()
    link(page, "Evidence").click()  # what was clicked on before is heard, though never drawn
    expect(page.get_by_role("heading", name="Evidence", exact=True)).to_be_visible()
    at_once(link(page, "Explore"), link(page, "Explore"))
    expect(sample(page, "Rocket")).to_have_attribute("aria-pressed", "true")
    settled(page)
    at_once(link(page, "Explore"), sample(page, "Cat"))  # who is there already leaves nothing
    expect(sample(page, "Cat")).to_have_attribute("aria-pressed", "true")
    settled(page)
    page.get_by_role("button", name="Teach it your own classes").click()  # a button leads on, too
    add(page, "kitten, cup")
    page.reload()  # an address that leads to a page: until its first run is over, Streamlit calls that one another
    add(page, "candle")
    expect(page.get_by_role("heading", name="Teach", exact=True, level=1)).to_be_visible()


@pytest.mark.slow
def test_what_is_open_stays_open_when_something_above_it_comes_or_goes(new_page: Any) -> None:
    page: Page = new_page("teach")
    add(page, "kitten, cup")
    page.get_by_role("button", name="More").first.click()
    files_into(page, "Test photos", shots("Cat", 6)[2:4])
    reads(page, "2 test")
    settled(page)
    expect(page.get_by_role("textbox", name="New name")).to_have_count(1)  # above it the card's first picture has come

    page = new_page()
    open_sample(page)
    go(page, "Teach")
    rounds(page, 500)  # it shall last until it is cancelled, from another tab
    page.get_by_role("button", name=re.compile("^Train")).click()
    cancel = "Cancel, and keep what it has learned"
    expect(page.get_by_role("button", name=cancel)).to_be_visible()
    tab = page.context.new_page()
    tab.goto(page.url)
    go(page, "Test")
    running = page.get_by_text("See the page Teach.")
    expect(running).to_be_visible()
    settled(page)
    open_menu(page, "Privacy")
    expect(page.get_by_role("button", name="Remove everything")).to_be_visible()
    expect(running).to_be_visible()
    tab.get_by_role("button", name=cancel).click()
    expect(running).to_have_count(0)
    reads(page, re.compile("^Accuracy on"))
    settled(page)
    expect(page.get_by_role("button", name="Remove everything")).to_be_visible()
