"""How the app bears itself: no axe violation on any page in either theme, at any width."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

if os.environ.get("GALLOP_REQUIRE_BROWSER") != "1":
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from axe_playwright_python.sync_playwright import Axe

from tests.browsing import PATIENCE, Page, answer, expect, files_into, shots

pytestmark = pytest.mark.browser

# What Streamlit itself draws and an app cannot change, each with why.
STREAMLITS_OWN: dict[str, str] = {}


def violations(page: Page) -> list[str]:
    """One line for each element that breaks a rule, of what is not Streamlit's own."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]}"
        for rule in found
        if rule["id"] not in STREAMLITS_OWN
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page_in_any_state(new_page: Any, theme: str) -> None:
    page = new_page(color_scheme=theme)
    found = {"explore, empty": violations(page)}
    page.get_by_role("button", name="Cat").click()
    expect(answer(page)).to_contain_text("%")
    found["explore"] = violations(page)
    page.get_by_role("link", name="Teach").click()
    expect(page.get_by_text("Start here:")).to_be_visible()
    found["teach, empty"] = violations(page)
    page.get_by_role("textbox", name="New class").fill("kitten, tiger cat")
    page.get_by_role("textbox", name="New class").press("Enter")
    for name, sample in (("kitten", "Cat"), ("tiger cat", "Coffee")):
        files_into(page, f"Photos of {name}", shots(sample, 2))
    expect(page.get_by_text("2 to learn from")).to_have_count(2)
    page.get_by_text("Settings:").click()
    found["teach, cards and settings"] = violations(page)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile("Training, step"))).to_be_visible(timeout=2 * PATIENCE)
    found["teach, in training"] = violations(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled")).to_be_visible()
    found["teach, trained"] = violations(page)
    assert {state: lines for state, lines in found.items() if lines} == {}
