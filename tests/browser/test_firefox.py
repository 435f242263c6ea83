"""The first minutes in Firefox: a photo is answered, classes are taught, in the app and in the page without one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gallop.export.web import write
from gallop.sample import sample_photos
from tests.browser.firefox import Firefox, firefox
from tests.conftest import leave_out_without
from tests.http_server import served_folder

pytestmark = pytest.mark.slow
CLASSES = ("candle", "mug", "teapot")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Firefox]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    leave_out_without("" if program else "no Firefox was found; on Debian: apt install firefox-esr")
    with firefox(str(program), tmp_path) as opened:
        opened.size(1280, 800)
        yield opened


def test_an_own_photo_is_answered_and_classes_are_taught(page: Firefox, app_server: str) -> None:
    taught = [photo for photo in sample_photos() if photo.part == "train"]
    photos = {name: [photo.path for photo in taught if photo.class_name == name] for name in CLASSES}
    page.go(app_server)
    page.wait_for("Nearest|%")
    page.give("input[type=file]", [photos["mug"][0]])
    page.wait_for(f"{photos['mug'][0].name}|Suggested")
    page.click("link", "Teach")
    page.click("textbox", "New class")
    page.type(f"{', '.join(CLASSES)}\ue007")
    page.wait_for("0 photos(.|\n)*0 photos(.|\n)*0 photos")
    for number, name in enumerate(CLASSES, 1):
        page.give(f".st-key-card-{number} input[type=file]", photos[name][:8])
        page.wait_for(f"(8 photos(?! to)(.|\\n)*){{{number}}}")
    page.click("button", "Train")
    page.wait_for("Done: [0-9]+ steps on 24 photos of 3 classes")
    page.click("link", "Explore")
    page.wait_for("candle(.|\n)*mug(.|\n)*teapot")


def test_classes_are_taught_in_the_page_without_a_server(page: Firefox, onnxruntime_web: None, tmp_path: Path) -> None:
    photos = {name: [photo for photo in sample_photos() if photo.class_name == name] for name in ("teapot", "mug")}
    write(tmp_path / "teach", teach=True)
    with served_folder(tmp_path / "teach") as address:
        page.go(address)
        page.wait_for("Works without a network from now on")
        for number, name in enumerate(photos, 1):
            page.give(
                f".card:nth-child({number}) input[type=file]", [one.path for one in photos[name] if one.part == "train"]
            )
            page.wait_for(f"(8 photos(.|\\n)*){{{number}}}")
        page.give("#live input[type=file]", [next(one.path for one in photos["mug"] if one.part == "test")])
        page.wait_for("mug\\s+[0-9.]+ %(.|\\n)*teapot(.|\\n)*Like (one|none) of these")
