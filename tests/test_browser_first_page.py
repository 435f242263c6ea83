"""The first page in a real browser: upload, read a score, move k with the keyboard, teach. No request leaves."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from gallop import load_image

if os.environ.get("GALLOP_REQUIRE_BROWSER") != "1":  # then a missing package is a failure, not a skip
    pytest.importorskip("skimage", reason="the photos come from scikit-image's wheel")
    pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Page, expect

import samples

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

PATIENCE = 60_000  # ms; the first answer waits for torch and the model, on a busy machine
HOSTILE = "![x](http://example.invalid/x.png)"


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


@pytest.fixture
def page(browser: Any, app_server: str) -> Iterator[Page]:
    """The open page; fails when the page asked anything of another machine."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    away: list[str] = []

    def note(address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname != "127.0.0.1":
            away.append(address)

    opened.on("request", lambda request: note(request.url))
    opened.on("websocket", lambda socket: note(socket.url))
    opened.goto(app_server)
    expect(opened.get_by_role("heading", name="GalLoP Explorer")).to_be_visible()
    yield opened
    context.close()
    assert away == [], "the page asked another machine"


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


def test_upload_read_and_move_k_with_the_keyboard(page: Page) -> None:
    write(
        page, "One on each line, or with commas", "tabby cat, tiger cat, Egyptian cat"
    )  # three that are hard to tell apart
    files_into(page, "Upload photos", [upload("my cat.jpg", photo("Cat"))])
    expect(answer(page)).to_contain_text("%")
    answer_before = answer(page).inner_text()
    assert 33 <= number(answer_before.replace(">", "")) <= 100
    together = page.get_by_text("Together:")
    score_before = number(together.locator("strong").inner_text())
    picture = page.get_by_role("img", name=re.compile("Map of local prompt 1"))
    source_before = picture.get_attribute("src")

    line = page.get_by_text(re.compile(r"^k = 5: mean of 5 regions"))
    mean_before = number(line.inner_text())
    slider = page.get_by_role("slider", name=re.compile("Local prompt 1"))
    slider.focus()
    for _ in range(30):
        slider.press("ArrowRight")
    line = page.get_by_text(re.compile(r"^k = 35: mean of 35 regions .* = the score$"))
    expect(line).to_be_visible()
    assert number(line.inner_text()) < mean_before, "a mean over more regions than the best is lower"
    expect(together.locator("strong")).not_to_have_text(f"{score_before:.4f}")
    expect(picture).not_to_have_attribute("src", str(source_before))
    slider.press("End")
    expect(page.get_by_text(re.compile(r"^k = 196: mean of 196 regions .* = the score$"))).to_be_visible()
    expect(answer(page)).not_to_have_text(answer_before)


def test_teaching_on_a_few_photos_changes_the_probabilities(page: Page) -> None:
    write(page, "One on each line, or with commas", "kitten, tiger cat")
    page.get_by_role("button", name="Cat").click()
    expect(answer(page)).to_contain_text("%")
    zero_shot = answer(page).inner_text()

    page.get_by_role("button", name="Take the names from above").click()
    for name, sample in (("kitten", "Cat"), ("tiger cat", "Coffee")):
        files_into(page, f"Photos of {name}", shots(sample, 3))
    expect(page.get_by_text("3 photos", exact=True)).to_have_count(2)
    page.get_by_role("spinbutton", name="Epochs").fill("3")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    page.get_by_role("button", name="Train", exact=True).click()

    expect(page.get_by_text("Done: 3 steps on 6 photos of 2 classes")).to_be_visible(timeout=2 * PATIENCE)
    expect(page.get_by_text("Right on the 6 photos it learned from")).to_be_visible()
    expect(answer(page)).to_have_text(re.compile("^kitten"))
    taught = answer(page).inner_text()
    assert zero_shot.startswith("tiger cat")
    assert page.get_by_text("is here already").count() == 0
    page.get_by_role("radio", name="Zero-shot").or_(page.get_by_role("button", name="Zero-shot")).first.click()
    expect(answer(page)).to_have_text(zero_shot)
    assert taught != zero_shot


def test_hostile_names_are_shown_as_typed_and_ask_nothing(page: Page) -> None:
    write(page, "One on each line, or with commas", f"{HOSTILE}\n<b>bold</b>\n<img src=http://example.invalid/y.png>")
    page.get_by_role("button", name="Cat").click()
    expect(answer(page)).to_contain_text("%")
    page.get_by_role("button", name="Take the names from above").click()
    expect(page.get_by_test_id("stFileUploader")).to_have_count(4)
    expect(page.locator("img[src*='example.invalid'], a[href*='example.invalid']")).to_have_count(0)
    labels = page.get_by_test_id("stFileUploader").all_inner_texts()
    assert sum("<b>bold</b>" in label for label in labels) == 1
    assert sum("![x](http:" in label.replace("\u2060", "") for label in labels) == 1


def test_files_that_are_no_photos_are_refused_one_by_one(page: Page) -> None:
    words = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"these are words"}
    cut = upload("cut.jpg", photo("Cat"))
    cut["buffer"] = cut["buffer"][:9000]
    files_into(page, "Upload photos", [upload("good.jpg", photo("Coffee")), words, cut])
    expect(page.get_by_text("1 taken, 2 not taken:")).to_be_visible()
    refused = page.get_by_test_id("stAlert").get_by_role("listitem").all_inner_texts()
    assert ["words.jpg" in refused[0], "cut.jpg" in refused[1], len(refused)] == [True, True, 2]
    expect(answer(page)).to_have_text(re.compile("cup of coffee"))
