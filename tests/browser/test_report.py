"""The HTML report in a browser: the explanation lives in it, and its content policy holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gallop.export.report import html_report
from gallop.predictions.explanation import Explanation
from tests import tiny
from tests.browsing import Page, alone, expect

HOSTILE_NAMES = ["</script><script>window.hacked = 1</script>", '"><img src=x onerror="window.hacked = 1">', "<!--"]


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    with alone(browser) as opened:
        yield opened


def hostile() -> Explanation:
    return tiny.classifier(topk=(3, 7)).zero_shot(HOSTILE_NAMES).explain(tiny.picture(3, "green", (60, 40)))


def written(folder: Path, page: str) -> str:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path.as_uri()


def test_the_explanation_lives_in_the_report_and_names_of_strangers_do_nothing(page: Page, tmp_path: Path) -> None:
    found = hostile()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    name = HOSTILE_NAMES[0]
    page.goto(written(tmp_path, html_report(found, class_name=name, photo_name=HOSTILE_NAMES[1])))
    expect(page.locator(".explainer")).to_have_count(1)
    expect(page.get_by_alt_text("The photo")).to_have_count(0)
    expect(page.locator(".about")).to_have_text(f"Where it sees {name}")
    page.get_by_label("Local prompt 1: its k best regions").fill("9")
    expect(page.locator(".cell.outlined")).to_have_count(9)
    kept = page.evaluate("[...document.querySelectorAll('.cell.outlined')].map(cell => Number(cell.dataset.region))")
    assert set(kept) == {box.region for box in found.with_topk((9, 7)).regions(name, 0)}
    page.locator(".cell").nth(5).click()
    best = found.class_names[found.region_probabilities[5].argmax()]
    expect(page.locator(".asked .bar .name").first).to_have_text(best)
    assert page.evaluate("window.hacked") is None
    assert not complaints


def test_any_other_script_is_refused(page: Page, tmp_path: Path) -> None:
    """Even one that came into the page: the policy knows the explainer by its hash."""
    report = html_report(hostile()).replace(
        "<h1>", "<script>window.hacked = 1</script><h1 onclick='window.hacked = 1'>"
    )
    page.goto(written(tmp_path, report))
    expect(page.locator(".explainer")).to_have_count(1)
    page.locator("h1").click()
    assert page.evaluate("window.hacked") is None


def test_who_reads_without_scripts_sees_the_photo_and_words(browser: Any, tmp_path: Path) -> None:
    found = hostile()
    with alone(browser, java_script_enabled=False) as page:
        page.goto(written(tmp_path, html_report(found)))
        expect(page.get_by_alt_text("The photo")).to_be_visible()
        expect(page.get_by_text(found.describe(found.label, 0)).first).to_be_visible()
