"""The page of ``gallop sort`` in a browser: what keys and buttons say is in the file that it saves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gallop.service.sorting.page import check_page
from gallop.service.sorting.scored_pile import Pile
from tests import tiny
from tests.browsing import Page, alone, axe_faults, expect, lone_page, press

HOSTILE = "</script><script>window.hacked = 1</script>"
CLASSES = [HOSTILE, '"><img src=x onerror="window.hacked = 1">', "mug"]


page = pytest.fixture(lone_page)


def pile(folder: Path, photos: int) -> Pile:
    keys = [
        f"{HOSTILE}/{path.name}" for path in tiny.write_images(folder / HOSTILE, [*map(tiny.picture, range(photos))])
    ]
    rows = [{"key": key, "label": HOSTILE, "probability": 0.9} for key in keys]
    return Pile(rows, {"classes": CLASSES, "line": 0.5}, 0.05)


def show(page: Page, folder: Path, some: Pile) -> None:
    (folder / "check.html").write_text(check_page(some, folder), encoding="utf-8")
    page.goto((folder / "check.html").as_uri())


def saved(page: Page) -> Any:
    with page.expect_download() as download:
        page.keyboard.press("s")
    return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))


def test_checks_are_made_with_keys_and_taken_by_the_command(page: Page, tmp_path: Path) -> None:
    some, complaints = pile(tmp_path, 100), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    show(page, tmp_path, some)
    told, found = page.locator("#told"), page.locator("#found")
    expect(told).to_have_text(f"{some.promise.words.split(' (')[0]}")
    expect(page.locator("#question")).to_have_text(f"Is this “{HOSTILE}”?")
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Right").click()
    press(page, "ArrowLeft", "1", "f")
    page.get_by_role("button", name="None of these").click()
    expect(found).to_have_text("4 of 100 photos checked, 2 wrong")
    page.keyboard.press("u")
    expect(found).to_have_text("3 of 100 photos checked, 1 wrong")
    page.reload()
    expect(found).to_have_text("3 of 100 photos checked, 1 wrong")
    said = saved(page)
    assert some.take(said)
    assert [*said["checks"].values()] == [HOSTILE, HOSTILE, CLASSES[1]]
    assert some.checked == [*said["checks"]]
    expect(told).to_have_text(f"{some.promise.words.split(' (')[0]}")
    press(page, *"j" * (some.promise.remaining or 0))
    expect(told).to_contain_text("At most 5 % of these 100 photos are wrong (95 % sure)")
    expect(page.locator("#ask")).to_be_hidden()
    some.take(saved(page))
    assert some.promise.kept
    assert page.evaluate("window.hacked") is None
    assert not complaints


def test_the_next_page_goes_on_after_the_checks_of_the_last(page: Page, tmp_path: Path) -> None:
    some = pile(tmp_path, 60)
    show(page, tmp_path, some)
    press(page, *"jjjjj")
    some.take(saved(page))
    show(page, tmp_path, some)
    expect(page.locator("#found")).to_have_text("5 of 60 photos checked, none wrong")
    expect(page.locator("#undo")).to_be_disabled()
    page.keyboard.press("j")
    assert len(saved(page)["checks"]) == 6


def test_too_many_errors_end_the_checks_with_a_way_out(page: Page, tmp_path: Path) -> None:
    show(page, tmp_path, pile(tmp_path, 40))
    press(page, *"f0f0f0")
    expect(page.locator("#told")).to_contain_text("Too many are wrong")
    expect(page.locator("#next")).to_contain_text("a higher --line")


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_at_any_width(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    with alone(browser, width, 800, color_scheme=scheme, bypass_csp=True) as page:
        show(page, tmp_path, pile(tmp_path, 60))
        for keys in ("", "f", "0jj"):
            press(page, *keys)
            assert axe_faults(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
