"""How the app bears itself: no axe violation on any page in either theme, at any width."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest

from tests.browsing import (
    PATIENCE,
    Page,
    answer,
    axe_faults,
    expect,
    go,
    open_menu,
    open_sample,
    open_tab,
    options_of,
    reads,
    rounds,
    settled,
    take_away,
    told,
)

STREAMLITS_OWN = {
    # Rule, and the element of Streamlit's own that breaks it: no setting of an app changes these.
    ("presentation-role-conflict", 'data-testid="stFileUploaderDropzone"'),  # its section is focusable by script
    ("region", 'id="stFloatingOverlayPortal"'),  # where tooltips are drawn, beside the landmarks
    ("region", 'role="listbox"'),  # and the choices of a list that is open
    ("color-contrast", 'class="token token keyword"'),  # st.code: 3.73 in light, wherever the code is in view
}


_ALL_MOVED = """() => Promise.race([
    Promise.all(document.getAnimations()
        .filter((moving) => Number.isFinite(moving.effect?.getComputedTiming().endTime))
        .map((moving) => moving.finished.catch(() => {}))),
    new Promise((done) => setTimeout(done, 3000)),
])"""
"""What moves comes to its end, or in three seconds: one that a folded part holds still has none."""


def violations(page: Page) -> list[str]:
    """One line for each element that breaks a rule in one of the themes, of what is not Streamlit's own.

    The page is left in the other theme than it came in, so that half of all states are reached in each.
    """
    now = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    return in_theme(page, ("light", "dark")[now]) + in_theme(page, ("dark", "light")[now])


def in_theme(page: Page, theme: Literal["light", "dark"]) -> list[str]:
    page.emulate_media(color_scheme=theme)
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", theme)
    settled(page)
    page.mouse.move(0, 0)  # what it rests on has colours of its own, and colours that change are between two themes
    page.evaluate(_ALL_MOVED)
    return broken_rules(page, theme)


def broken_rules(page: Page, theme: str) -> list[str]:
    """As ``violations``, of the page as it stands."""
    return sorted(
        {
            f"{theme}: {line}"
            for line in axe_faults(page)
            if not any(line.startswith(f"{rule}: ") and mark in line for rule, mark in STREAMLITS_OWN)
        }
    )


@pytest.mark.slow
def test_axe_finds_nothing_on_any_page_empty_or_full(new_page: Any) -> None:
    page = new_page(color_scheme="light")
    expect(answer(page)).to_contain_text("%")
    found = {"Explore, a sample": violations(page)}
    page.get_by_role("button", name="Cover regions").click()
    with told(page):
        page.locator(".cell").first.click()
    found["Explore, a region covered"] = violations(page)
    with told(page):
        page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_text("Settings").click()
    assert options_of(page, "Backbone") == ["mini"]
    found["Explore, choosing a backbone"] = violations(page)
    page.keyboard.press("Escape")
    settled(page)
    page.get_by_text("More backbones").click()
    reads(page, "Backbones that can be downloaded")
    found["Explore, more backbones"] = violations(page)
    for name in ("Teach", "Test", "Evidence", "Sort", "Method"):
        go(page, name)
        found[f"{name}, empty"] = violations(page)
    open_sample(page)
    go(page, "Sort")
    page.get_by_role("button", name="Try it with sample photos").click()
    page.get_by_role("listbox").get_by_role("option").nth(2).click()
    found["Sort, a photo selected"] = violations(page)
    page.get_by_role("button", name="Check a sample").click()
    page.get_by_role("button", name=re.compile("^Wrong: ")).first.click()
    found["Sort, checks"] = violations(page)
    go(page, "Method")
    found["Method"] = violations(page)
    go(page, "Test")
    for tab in ("Mistakes", "None of these", "Labels", "Runs"):
        open_tab(page, tab)
        found[f"Test, {tab}"] = violations(page)
    go(page, "Evidence")
    open_tab(page, "Prompts")
    found["Evidence, prompts"] = violations(page)
    open_tab(page, "Regions")
    page.get_by_role("button", name="Find what each class relies on").click()
    expect(page.get_by_text("decided by")).to_be_visible(timeout=4 * PATIENCE)
    page.locator(".strip .choose").first.click()
    reads(page, ", a photo of ")
    found["Evidence, a photo opened"] = violations(page)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(page.get_by_role("heading", name="What training changed")).to_be_visible()
    found["Explore"] = violations(page)
    open_menu(page, "Privacy")
    found["Explore, Privacy"] = violations(page)
    page.keyboard.press("Escape")
    take_away(page)
    page.get_by_text("The training as code").click()
    found["Explore, what is taken away"] = violations(page)
    page.keyboard.press("Escape")
    go(page, "Teach")
    rounds(page, 500)  # it shall last until it is cancelled
    found["Teach, cards and settings"] = violations(page)
    page.get_by_role("button", name=re.compile("^Train")).click()
    expect(page.get_by_text(re.compile("Training, step"))).to_be_visible(timeout=2 * PATIENCE)
    found["Teach, in training"] = violations(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled")).to_be_visible()
    found["Teach, trained"] = violations(page)
    faults = [f"{state}: {line}" for state, lines in found.items() for line in lines]
    assert not faults, "\n".join(faults)  # one line each: pytest would shorten a list
