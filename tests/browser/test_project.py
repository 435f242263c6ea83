"""A project in a real browser: saved by one, opened by another, and everything removed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_bearing import violations
from tests.browser.test_export import saved
from tests.browsing import (
    PATIENCE,
    Page,
    answer,
    expect,
    files_into,
    go,
    metric,
    open_menu,
    open_sample,
    reads,
    settled,
)


def menu(page: Page) -> None:
    open_menu(page, "Project")
    expect(page.get_by_role("button", name="Save project")).to_be_visible()


@pytest.mark.slow
def test_a_project_saved_in_one_browser_is_opened_in_another(new_page: Any, tmp_path: Path) -> None:
    first: Page = new_page()
    open_sample(first)
    figure = metric(first, re.compile("Accuracy on")).inner_text()
    go(first, "Teach")
    menu(first)
    file = saved(first, "Save project", tmp_path)
    assert file.name == "Sample project.zip"
    first.get_by_role("link", name="Explore", exact=True).click()
    expect(first.get_by_role("heading", name="What training changed")).to_be_visible()
    settled(first)
    said = answer(first).inner_text()

    second: Page = new_page(color_scheme="light")
    go(second, "Teach")
    menu(second)
    assert violations(second) == []
    files_into(second, "Open a project", [file])
    expect(second.get_by_text("4 classes, ")).to_be_visible(timeout=4 * PATIENCE)
    expect(second.get_by_text("8 photos · 6 test")).to_have_count(4)
    second.reload()
    go(second, "Test")
    expect(metric(second, re.compile("Accuracy on"))).to_have_text(figure)
    second.get_by_role("link", name="Explore", exact=True).click()
    expect(answer(second)).to_have_text(said)

    go(second, "Teach")
    menu(second)
    files_into(second, "Open a project", [file])
    expect(second.get_by_role("button", name="Cancel")).to_be_visible()
    second.keyboard.press("Escape")
    assert violations(second) == []
    open_menu(second, "Privacy")
    reads(second, "this URL brings them back until")
    second.get_by_role("button", name="Remove everything").click()
    reads(second, "its photos are gone")
    expect(second.get_by_text("8 photos · 6 test")).to_have_count(0)
    first.reload()
    expect(answer(first)).to_have_text(said)
