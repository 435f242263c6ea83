"""The region grid's JavaScript as a notebook runs it: through the hooks of anywidget, with a model that we play."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gallop.estimator import GalLoPClassifier
from gallop.maps.look import Style, Subject
from gallop.maps.photo import photo_url, picture_url
from gallop.maps.pictures import map_picture
from gallop.maps.region_grid import JAVASCRIPT, STYLE
from gallop.maps.region_grid.panel import map_panel
from tests import tiny
from tests.browsing import HOSTILE, Page, expect

pytestmark = pytest.mark.browser

HOST = """
async ([source, panel]) => {
  const state = { panel, region: null };
  const heard = {};
  window.model = {
    saved: [],
    get: (name) => state[name],
    set: (name, value) => (state[name] = value),
    save_changes: () => window.model.saved.push(state.region),
    on: (event, call) => (heard[event] = call),
    off: (event) => delete heard[event],
    send: (changed) => { state.panel = changed; heard["change:panel"]?.(); },
  };
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const { render } = module.default();
  window.leave = render({ model: window.model, el: document.body });
}
"""


def panels() -> tuple[dict[str, Any], dict[str, Any]]:
    """Of one photo, for a class with a hostile name, with k = 3 and k = 5."""
    classifier = GalLoPClassifier(backbone=tiny.vit(), topk=(3,), cache=False).zero_shot([HOSTILE, "green"])
    found = classifier.explain(tiny.picture(3, "green", (40, 32)))
    photo = photo_url(found)
    three, five = (map_panel(Subject(found.with_topk((k,)), HOSTILE), 0, photo=photo) for k in (3, 5))
    return three, five


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 500, "height": 700})
    opened = context.new_page()
    requests: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.set_content(f"<!doctype html><style>{STYLE.read_text(encoding='utf-8')}</style><body></body>")
    yield opened
    context.close()
    assert not [url for url in requests if not url.startswith(("blob:", "data:", "about:"))]


def test_click_keys_and_a_change_from_python(page: Page) -> None:
    three, five = panels()
    page.evaluate(HOST, [JAVASCRIPT.read_text(encoding="utf-8"), three])
    grid = page.get_by_role("grid", name="Map of local prompt 1")
    expect(grid.get_by_role("gridcell")).to_have_count(16)
    expect(grid.get_by_role("row")).to_have_count(4)
    expect(page.locator(".cell.kept")).to_have_count(3)
    assert HOSTILE in str(grid.get_attribute("aria-label"))

    cells = grid.get_by_role("gridcell")
    cells.nth(5).click()
    assert page.evaluate("model.saved") == [5]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowDown")  # at the edge it stays
    page.keyboard.press("ArrowUp")
    expect(page.locator(".words")).to_have_text(three["labels"][11])
    assert page.evaluate("model.saved") == [5], "walking chooses nothing"
    page.keyboard.press("Enter")
    assert page.evaluate("model.saved") == [5, 11]
    expect(grid.get_by_role("gridcell", selected=True)).to_have_accessible_name(three["labels"][11])

    page.evaluate("(panel) => model.send(panel)", five | {"selected": 11})
    expect(page.locator(".cell.kept")).to_have_count(5)
    expect(page.locator(".region-grid")).to_have_count(1)
    assert page.evaluate("document.activeElement.dataset.region") == "11", "the focus stays"
    assert page.locator("[tabindex='0']").count() == 1, "one stop for the tab key"
    page.evaluate("leave()")
    page.evaluate("(panel) => model.send(panel)", three)
    expect(page.locator(".cell.kept")).to_have_count(5)


def test_cells_lie_on_their_part_of_the_photo_and_nothing_jumps(page: Page) -> None:
    three, _ = panels()
    page.evaluate(HOST, [JAVASCRIPT.read_text(encoding="utf-8"), three])
    stage, grid = (page.locator(name).bounding_box() for name in (".stage", ".cells"))
    assert stage is not None
    assert grid is not None
    assert stage["width"] / stage["height"] == pytest.approx(three["ratio"], rel=0.01)
    for side, size, share in (("x", "width", 0), ("y", "height", 1), ("width", "width", 2), ("height", "height", 3)):
        place = grid[side] - (stage[side] if side in "xy" else 0)
        assert place == pytest.approx(stage[size] * three["crop"][share], abs=0.6)
    height = page.evaluate("document.body.scrollHeight")
    page.locator(".cell").nth(3).hover()
    expect(page.locator(".words")).to_have_text(three["labels"][3])
    assert page.evaluate("document.body.scrollHeight") == height
    assert json.loads(page.evaluate("JSON.stringify(model.saved)")) == [], "pointing asks nothing"


@pytest.mark.parametrize("style", [Style(), Style("inferno", 1.0, 0.3, smooth=False)], ids=["smooth", "cells"])
def test_what_is_drawn_is_the_picture_that_python_draws(page: Page, style: Style) -> None:
    """But for the outlines, which are each cell's own here: 1 of 255 apart at the median, 12 hardly anywhere."""
    classifier = GalLoPClassifier(backbone=tiny.vit(), topk=(3,), cache=False).zero_shot(["red", "green"])
    found = classifier.explain(tiny.picture(3, "green", (480, 320)))
    subject = Subject(found, "red")
    panel = map_panel(subject, 0, style=style, photo=picture_url(found.image, "PNG"))
    page.evaluate(HOST, [JAVASCRIPT.read_text(encoding="utf-8"), panel | {"kept": []}])
    page.add_style_tag(content=".region-grid .stage { width: 480px; border-radius: 0 }")
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth)")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    drawn = np.asarray(Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB")).astype(int)
    wanted = np.asarray(map_picture(subject, 0, style=style)).astype(int)
    assert drawn.shape == wanted.shape
    for box in found.regions("red", 0):
        rim = 6  # of the outline
        top, left = max(round(box.top) - rim, 0), max(round(box.left) - rim, 0)
        around = np.s_[top : round(box.bottom) + rim, left : round(box.right) + rim]
        inner = np.s_[round(box.top) + rim : round(box.bottom) - rim, round(box.left) + rim : round(box.right) - rim]
        kept = drawn[inner].copy(), wanted[inner].copy()
        drawn[around] = wanted[around] = 0
        drawn[inner], wanted[inner] = kept
    apart = np.abs(drawn - wanted).max(axis=-1)
    assert np.median(apart) <= 1
    assert (apart > 12).mean() < 0.01


@pytest.mark.parametrize("side", [7, 14, 24])
def test_an_outline_leaves_most_of_its_cell_whatever_the_grid(page: Page, side: int) -> None:
    """All of it is drawn inside the cell, on a photo of 500 px and on one of 200."""
    three, _ = panels()
    whole = {"crop": [0, 0, 1, 1], "ratio": 1, "rows": side, "columns": side, "labels": ["here"] * side**2}
    page.evaluate(HOST, [JAVASCRIPT.read_text(encoding="utf-8"), three | whole])
    for width in (500, 200):
        page.set_viewport_size({"width": width, "height": 700})
        cell = page.locator(".cell.kept").first
        lines = cell.evaluate("cell => getComputedStyle(cell).boxShadow")
        reach = max(float(found) for found in re.findall(r"0px 0px 0px ([\d.]+)px inset", lines))
        box = cell.bounding_box()
        assert box is not None
        assert 2 <= reach <= min(max(box["width"] / 5, 2) + 0.01, 3.5)
