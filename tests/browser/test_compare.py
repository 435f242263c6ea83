"""Compare and Export in a real browser: runs pinned, seeds trained, files that hold what the screen shows."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.photos.samples import SAMPLES
from gallop import GalLoPClassifier
from tests.browsing import (
    HOSTILE,
    PATIENCE,
    Page,
    answer,
    choose,
    expect,
    files_into,
    metric,
    number,
    options_of,
    photo,
    pick,
    rounds,
    shots,
    upload,
)

pytestmark = pytest.mark.browser


def value(page: Page, label: str) -> float:
    shown = metric(page, re.compile(label))
    expect(shown).to_contain_text("%")
    return number(shown.inner_text())


def pin(page: Page, label: str, choice: str) -> None:
    choose(page, label, re.compile(choice))
    expect(page.get_by_role("combobox", name=label)).to_have_value(re.compile(choice))


def saved(page: Page, button: str, folder: Path) -> Path:
    """A file that the page hands out."""
    with page.expect_download(timeout=2 * PATIENCE) as download:
        page.get_by_role("button", name=button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def kitten_and_cup(page: Page, epochs: int) -> None:
    """Two classes with test photos, trained once."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, sample in (("kitten", "Cat"), ("tiger cat", "Coffee")):
            for i, shot in enumerate(shots(sample, 5)):
                archive.writestr(f"{'train' if i < 2 else 'test'}/{name}/{shot['name']}", shot["buffer"])
    page.get_by_text("All classes at once").click()
    zipped = {"name": "things.zip", "mimeType": "application/zip", "buffer": stream.getvalue()}
    files_into(page, "A zip of class folders", [zipped])
    expect(page.get_by_text("2 to learn from, 3 to test with")).to_have_count(2)
    rounds(page, epochs)
    train(page, epochs)


def train(page: Page, epochs: int) -> None:
    page.get_by_role("button", name=re.compile("^Train")).click()
    expect(page.get_by_text(f"Done: {epochs} step")).to_be_visible(timeout=3 * PATIENCE)


@pytest.mark.slow
def test_runs_are_pinned_compared_seeded_deleted_and_opened_again(new_page: Any) -> None:
    page = new_page("teach")
    kitten_and_cup(page, 1)
    field = page.get_by_role("spinbutton", name="Rounds")
    if not field.is_visible():
        page.get_by_text("All settings").click()
    field.fill("4")
    field.press("Enter")
    expect(page.get_by_text("Changed since the training: rounds.")).to_be_visible()
    train(page, 4)
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_role("combobox", name="Pin A")).to_have_value(re.compile("^GalLoP"))
    options = options_of(page, "Pin A")
    page.keyboard.press("Escape")
    assert [words.split()[0] for words in options[:3]] == ["Zero-shot", "GalLoP", "GalLoP"]  # the latest first

    # A against zero-shot, then against the other run: the figures are those of the table and change places.
    zero_shot = value(page, "^B: Zero")
    newest = options[1].split(" (")[0]
    oldest = options[2].split(" (")[0]
    pin(page, "Pin B", f"{oldest} ")
    first, second = value(page, f"^A: {newest},"), value(page, f"^B: {oldest},")
    assert {first, second, zero_shot} <= {round(100 * right / 6, 1) for right in range(7)}
    pin(page, "Pin A", "Zero-shot")
    assert value(page, "^A: Zero") == zero_shot
    assert value(page, f"^B: {oldest},") == second
    pin(page, "Pin A", f"{newest} ")

    page.get_by_role("button", name="Train CoOp").click()
    expect(page.get_by_role("button", name="Train CoOp")).to_have_count(0, timeout=3 * PATIENCE)
    assert any(words.startswith("CoOp") for words in options_of(page, "Pin A"))
    page.keyboard.press("Escape")
    pin(page, "Pin B", f"{oldest} ")
    page.get_by_role("button", name="Train B with 4 more seeds").click()
    expect(page.get_by_text("on average over 5 seeds")).to_be_visible(timeout=5 * PATIENCE)
    told = re.findall(r"(\d+\.\d) %", page.get_by_text("on average over 5 seeds").inner_text())
    mean, least, most = map(float, told)
    assert least <= mean <= most
    assert least <= second <= most

    # Renamed with a hostile name, deleted, brought back.
    choose(page, "Run", newest)
    expect(page.get_by_role("textbox", name="New name")).to_have_value(newest)
    page.get_by_role("textbox", name="New name").fill(HOSTILE)
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("combobox", name="Run", exact=True)).to_have_value(HOSTILE)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted !")).to_be_visible()
    expect(page.get_by_role("combobox", name="Run", exact=True)).not_to_have_value(HOSTILE)
    page.get_by_role("button", name="Undo").click()
    choose(page, "Run", HOSTILE)
    # Until the page has been drawn for it, the button is that of the run that was chosen before.
    expect(page.get_by_role("textbox", name="New name")).to_have_value(HOSTILE)
    page.get_by_role("button", name="Open this run").click()
    expect(page.get_by_text("is in use now")).to_be_visible()
    expect(page.locator("img[src*='example.invalid'], a[href*='example.invalid']")).to_have_count(0)


@pytest.mark.slow
def test_the_runs_of_a_machine_outlive_the_visit_and_are_reached_from_the_keyboard(new_page: Any) -> None:
    page = new_page("teach")
    kitten_and_cup(page, 1)
    other = new_page("compare")  # without a token: another visit
    expect(other.get_by_text("Runs stay on this machine.")).to_be_visible()
    pin_a = other.get_by_role("combobox", name="Pin A")
    expect(pin_a).to_have_value(re.compile("^(GalLoP|CoOp)"))
    for _ in range(60):
        other.keyboard.press("Tab")
        if pin_a.evaluate("element => element === document.activeElement"):
            break
    else:
        raise AssertionError("Tab does not lead to Pin A")
    other.keyboard.press("ArrowDown")
    other.keyboard.press("Home")
    other.keyboard.type("Zero")
    other.keyboard.press("Enter")
    expect(pin_a).to_have_value(re.compile("^Zero-shot"))


@pytest.mark.slow
def test_what_is_taken_away_holds_what_the_screen_shows(new_page: Any, tmp_path: Path) -> None:
    page = new_page("teach")
    kitten_and_cup(page, 2)
    page.get_by_role("link", name="Explore").click()
    files_into(page, "Upload photos", [upload("mine.jpg", photo("Cat"))])
    expect(answer(page)).to_contain_text("Nearest: kitten")
    share = number(answer(page).inner_text())
    page.get_by_role("link", name="Export").click()

    assert Image.open(saved(page, "Save this map as PNG", tmp_path)).size == (451, 300)
    report = saved(page, "Save the report", tmp_path).read_text()
    assert number(re.findall(r"kitten</strong>, [\d.]+", report)[0]) == pytest.approx(share, abs=0.11)
    page.get_by_role("button", name="Make the table of 11 photos").click()
    rows = list(csv.DictReader(io.StringIO(saved(page, "Save the table", tmp_path).read_text())))
    cat = next(row for row in rows if row["image"] == "mine.jpg")
    assert 100 * float(cat["p(kitten)"]) == pytest.approx(share, abs=0.11)

    model = saved(page, "Save the model as zip", tmp_path)
    with zipfile.ZipFile(model) as archive:
        archive.extractall(tmp_path)
    with zipfile.ZipFile(saved(page, "Save the code and all that it reads", tmp_path)) as archive:
        archive.extract("photo.png", tmp_path)
        assert json.loads(archive.read("code.ipynb"))["nbformat"] == 4
    found = GalLoPClassifier.load(tmp_path / "model").explain(tmp_path / "photo.png").probabilities
    assert 100 * found["kitten"] == pytest.approx(share, abs=0.11)
    shown = page.get_by_test_id("stCode").first.inner_text()
    assert "GalLoPClassifier.load('model')" in shown
    pick(page, "Command line")
    expect(page.get_by_test_id("stCode").first).to_contain_text("gallop predict photo.png --model model --json")

    other = new_page("export")
    files = {"name": "model.zip", "mimeType": "application/zip", "buffer": model.read_bytes()}
    files_into(other, "A model's zip", [files])
    expect(other.get_by_text("is in use: kitten and tiger cat")).to_be_visible()
    bad = {"name": "bad.zip", "mimeType": "application/zip", "buffer": model.read_bytes()[:-30]}
    files_into(other, "A model's zip", [bad])
    expect(other.get_by_test_id("stAlert").get_by_text("is not a zip, or only a part of one")).to_be_visible()


@pytest.mark.slow
def test_onnx_is_made_beside_the_page_and_runs(new_page: Any, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")
    page = new_page()
    page.get_by_role("button", name="Cat", exact=True).click()
    expect(answer(page)).to_contain_text("%")
    page.get_by_role("link", name="Export").click()
    page.get_by_role("button", name="Make the ONNX file").click()
    expect(page.get_by_role("button", name="Save the ONNX file")).to_be_visible(timeout=5 * PATIENCE)
    file = saved(page, re.compile("Save the ONNX file"), tmp_path)  # type: ignore[arg-type]
    told = page.get_by_text(re.compile("no number differs by more than")).inner_text()
    assert float(re.findall(r"\d\.\de-\d+", told)[0]) < 1e-4
    session = onnxruntime.InferenceSession(file)
    names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
    assert tuple(names) == SAMPLES[0].names
