"""The page Test in a real browser: mistakes looked through, a limit moved, numbers followed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browsing import Page, answer, choose, expect, go, limit_track, open_sample, open_tab, reads, settled

PLACES = """plot => {
  const { data, _fullLayout: { xaxis, yaxis } } = plot, photos = data.find(({ customdata }) => customdata);
  const place = (axis, value) => axis._offset + axis.l2p(value);
  const places = photos.customdata.map((_, i) => [place(xaxis, photos.x[i]), place(yaxis, photos.y[i])]);
  return Object.fromEntries(places.map((xy, i) => [photos.customdata[i], xy]));
}"""
"""In a chart of confusions: where each square with photos is."""


def click_in_matrix(page: Any, cell: str) -> None:
    plot = page.locator(".js-plotly-plot").filter(has=page.locator(".heatmaplayer")).first
    plot.scroll_into_view_if_needed()
    settled(page)
    x, y = plot.evaluate(PLACES)[cell]
    plot.click(position={"x": x, "y": y})


@pytest.mark.slow
def test_mistakes_are_looked_through_and_the_limit_is_moved_from_the_keyboard(page: Page) -> None:
    """Of the sample project: 24 test photos in four classes, one vase called a teapot, and 9 photos of none."""
    open_sample(page)
    shown = page.get_by_role("combobox", name="Photos shown")
    expect(shown).to_have_value("All mistakes: 1 photo")
    expect(
        page.get_by_role("grid", name=re.compile("Map of local prompt 1. Where it sees teapot")).locator(
            ".cell.outlined"
        )
    ).to_have_count(5)
    for _ in range(2):  # the same square once more, after another choice
        click_in_matrix(page, "0 0")
        expect(shown).to_have_value("candle, answered correctly: 6 photos")
        expect(page.locator(".explainer .best")).to_contain_text("candle")
        choose(page, "Photos shown", "vase, answered teapot: 1 photo")
        expect(page.locator(".explainer .best")).to_contain_text("teapot")
    click_in_matrix(page, "0 0")
    photos = page.get_by_role("group", name="Photos")
    third, marks = photos.get_by_role("button").nth(2), photos.get_by_role("checkbox")
    third.click()
    expect(third).to_have_attribute("aria-pressed", "true")
    reads(page, third.get_attribute("aria-description").split(". ")[1])
    for mark in (0, 1, 3):  # faster than the page is drawn
        marks.nth(mark).press("Space")
    reads(page, "3 selected")
    settled(page)
    assert [mark.is_checked() for mark in marks.all()] == [True, True, False, True, False, False]
    page.get_by_role("button", name="Learn from these").click()
    expect(photos.get_by_text("to be learned")).to_have_count(3)
    page.get_by_role("button", name="Undo").click()
    expect(photos.get_by_text("to be learned")).to_have_count(0)
    choose(page, "Photos shown", "vase, answered teapot: 1 photo")
    expect(page.locator(".explainer .best")).to_contain_text("teapot")  # what is chosen before is redrawn with it
    page.get_by_text("Compare classes, figures, colours").click()
    compared = page.get_by_role("combobox", name="Compared with")
    compared.select_option("vase")
    expect(page.get_by_role("grid", name=re.compile("Map of local prompt 1. Why teapot, not vase"))).to_be_visible()
    settled(page)
    expect(compared.locator("option:checked")).to_have_text("vase")  # the page has heard of it

    open_tab(page, "None of these")
    slider = limit_track(page)

    def does() -> tuple[int, ...]:
        """Photos kept and noticed where the limit stands."""
        words = slider.get_attribute("aria-valuetext") or ""
        ((kept, noticed),) = re.findall(r"^accepts (\d+) of 24 known, detects (\d) of 9 unknown$", words)
        return int(kept), int(noticed)

    words_before = slider.get_attribute("aria-valuetext")
    expect(page.locator(".limit i.right")).to_have_count(sum(does()))
    for key, there in (("End", (24, 0)), ("Home", (0, 9))):
        slider.press(key)
        assert does() == there
    for passing in range(1, 34):  # each step lets one more photo pass
        slider.press("ArrowRight")
        kept, noticed = does()
        assert kept + 9 - noticed == passing
    slider.press("Home")
    reads(page, "This threshold was set by hand.")
    settled(page)
    page.get_by_role("link", name="Explore", exact=True).click()
    reads(page, "This threshold was set by you")
    expect(answer(page)).to_contain_text("earest: ")
    go(page, "Test")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("accepts 0 of 24 known, detects 9 of 9"))
    page.get_by_role("button", name="Back to the threshold set during training").click()
    expect(slider).to_have_attribute("aria-valuetext", words_before)  # once the page has heard of the click
