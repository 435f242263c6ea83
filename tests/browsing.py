"""What the browser tests share: photos to upload, and the app's widgets by their names."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image

from gallop import load_image

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Page, expect

import samples

PATIENCE = 60_000  # ms; the first answer waits for torch and the model, on a busy machine
HOSTILE = "![x](http://example.invalid/x.png)"
expect.set_options(timeout=PATIENCE)


def photo(sample: str) -> Image.Image:
    return load_image(samples.available()[sample]).image


def upload(name: str, image: Image.Image) -> dict[str, Any]:
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return {"name": name, "mimeType": "image/jpeg", "buffer": stream.getvalue()}


def shots(sample: str, count: int) -> list[dict[str, Any]]:
    """Different pieces of one sample photo."""
    image = photo(sample)
    side = min(image.size) * 2 // 3
    room = image.width - side, image.height - side
    pieces = []
    for i in range(count):
        left, top = room[0] * i // (count - 1), room[1] * (i % 2)
        piece = image.crop((left, top, left + side, top + side)).resize((160, 160))
        pieces.append(upload(f"{sample} {i}.jpg", piece))
    return pieces


def files_into(page: Page, label: str, files: list[dict[str, Any]]) -> None:
    page.get_by_test_id("stFileUploader").filter(has_text=label).locator("input[type=file]").set_input_files(files)


def write(page: Page, label: str, words: str) -> None:
    field = page.get_by_role("textbox", name=label)
    field.fill(words)
    field.press("Control+Enter")


def answer(page: Page) -> Any:
    return page.get_by_test_id("stMetric").filter(has_text="Most probable").get_by_test_id("stMetricValue")


def number(words: str) -> float:
    found = re.search(r"-?\d+\.\d+", words)
    assert found is not None, words
    return float(found.group())


def rounds(page: Page, epochs: int) -> None:
    """Open the settings of the page Teach and set how often the photos are gone through: 500 times at most."""
    page.get_by_text("Settings:").click()
    page.get_by_role("radio", name="Custom").or_(page.get_by_role("button", name="Custom")).first.click()
    field = page.get_by_role("spinbutton", name="Rounds")
    expect(field).to_be_enabled()
    field.fill(str(epochs))
    field.press("Enter")


def options_of(page: Page, label: str) -> list[str]:
    """Open a list of choices and read it."""
    expect(page.get_by_text("All numbers as a table")).to_be_visible()  # the page is whole
    box = page.get_by_role("combobox", name=label)
    # An open list closes when the page scrolls, and the scroll of a click is told only after the click.
    box.scroll_into_view_if_needed()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box.click()
    expect(page.get_by_role("option").first).to_be_visible()
    return list(page.get_by_role("option").all_inner_texts())
