"""What is taken away in a real browser: the files hold what the screen shows."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from gallop import GalLoPClassifier
from gallop.data.project_file import project_photos
from tests.browsing import PATIENCE, Page, answer, expect, number, open_sample, settled, take_away


def saved(page: Page, button: str, folder: Path) -> Path:
    """A file that the page hands out. A click on a button that a run just draws again would be lost."""
    settled(page)
    with page.expect_download(timeout=2 * PATIENCE) as download:
        page.get_by_role("button", name=button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.mark.slow
def test_what_is_saved_holds_what_the_screen_shows(page: Page, tmp_path: Path) -> None:
    open_sample(page)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(page.get_by_role("heading", name="What training changed")).to_be_visible()
    settled(page)
    name = page.locator(".explainer .best .name").inner_text().removeprefix("Nearest: ")
    share = pytest.approx(number(answer(page).inner_text()), abs=0.11)
    take_away(page)
    assert Image.open(saved(page, "Save this map as PNG", tmp_path)).format == "PNG"
    report = saved(page, "Save the report", tmp_path).read_text()
    assert number(re.findall(rf"{name}</strong>, [^%]+", report)[0]) == share
    with zipfile.ZipFile(saved(page, "Save the model as zip", tmp_path)) as archive:
        archive.extractall(tmp_path)
    page.get_by_text("The training as code").click()
    with zipfile.ZipFile(saved(page, "Save the code and its photos", tmp_path)) as archive:
        archive.extract("project.zip", tmp_path)
        assert b"classifier.fit('project.zip')" in archive.read("code.py")
    model, splits = GalLoPClassifier.load(tmp_path / "model"), ("train", "test")
    photos = [photo for split in splits for photo in project_photos(tmp_path / "project.zip", split=split).photos]
    assert any(100 * found.probabilities[name] == share for found in model.explain(photos)), "of the photo shown"
