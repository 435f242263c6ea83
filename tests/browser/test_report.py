"""The HTML report in a browser: the explanation lives in it, and its content policy holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gallop.export.report import html_report
from gallop.predictions.explanation import Explanation
from tests import tiny
from tests.browser.test_explainer import outlines
from tests.browsing import Page, alone, expect, lone_page

HOSTILE_NAMES = ["</script><script>window.hacked = 1</script>", '"><img src=x onerror="window.hacked = 1">', "<!--"]


page = pytest.fixture(lone_page)


@pytest.fixture(scope="module")
def hostile() -> Explanation:
    return tiny.classifier(topk=(3, 7)).zero_shot(HOSTILE_NAMES).explain(tiny.picture(3, "green", (60, 40)))


def show(page: Page, folder: Path, report: str) -> None:
    (folder / "report.html").write_text(report, encoding="utf-8")
    page.goto((folder / "report.html").as_uri())


def test_the_explanation_lives_in_the_report_and_names_of_strangers_do_nothing(
    page: Page, hostile: Explanation, tmp_path: Path
) -> None:
    name, complaints = HOSTILE_NAMES[0], list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    show(page, tmp_path, html_report(hostile, class_name=name, photo_name=HOSTILE_NAMES[1]))
    expect(page.locator(".explainer")).to_have_count(1)
    expect(page.get_by_alt_text("The photo")).to_have_count(0)
    expect(page.locator(".about")).to_have_text(f"Where it sees {name}")
    page.get_by_label("Local prompt 1: its k best regions").fill("9")
    outlines(page, {box.region for box in hostile.with_topk((9, 7)).regions(name, 0)})
    page.locator(".cell").nth(5).click()
    expect(page.locator(".asked .bar .name").first).to_have_text(
        hostile.class_names[hostile.region_probabilities[5].argmax()]
    )
    assert page.evaluate("window.hacked") is None
    assert not complaints


def test_any_other_script_is_refused(page: Page, hostile: Explanation, tmp_path: Path) -> None:
    """Even one that came into the page: the policy knows the explainer by its hash."""
    more = "<script>window.hacked = 1</script><h1 onclick='window.hacked = 1'>"
    show(page, tmp_path, html_report(hostile).replace("<h1>", more))
    expect(page.locator(".explainer")).to_have_count(1)
    page.locator("h1").click()
    assert page.evaluate("window.hacked") is None


def test_who_reads_without_scripts_sees_the_photo_and_words(browser: Any, hostile: Explanation, tmp_path: Path) -> None:
    with alone(browser, java_script_enabled=False) as page:
        show(page, tmp_path, html_report(hostile))
        expect(page.get_by_alt_text("The photo")).to_be_visible()
        expect(page.get_by_text(hostile.describe(hostile.label, 0)).first).to_be_visible()
