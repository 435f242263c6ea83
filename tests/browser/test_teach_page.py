"""The page that teaches: what is taught is learned at once, stays on the device, and is taken back by a button."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.teach_page import write_film
from gallop import GalLoPClassifier
from gallop.export.web import FACTS, TAUGHT_NAMES, write
from gallop.export.web.fetch import SCRIPT_FILE
from gallop.export.web.page_files import page_facts, page_sources, photos_to_begin_with, teach_facts
from gallop.maps.explainer.payload import explainer_data
from gallop.runtime.writing import write_file
from gallop.sample import sample_photos
from tests import tiny
from tests.browsing import Page, axe_faults, expect, reads, upload
from tests.conftest import QUIET, browser_path
from tests.http_server import served_folder

HOSTILE = "<img src=x onerror=alert(1)>"
NO_CAMERA = """
    navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
"""
PAINTED_TWICE = """async () => {
    for (const _ of "12") await new Promise((done) => document.addEventListener("painted", done, { once: true }));
}"""


@pytest.fixture(scope="module")
def of_mini(onnxruntime_web: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as anybody gets it."""
    folder = tmp_path_factory.mktemp("teach")
    assert sum(write(folder, teach=True).values()) < 40e6
    return folder


@pytest.fixture(scope="module")
def of_tiny(onnxruntime_web: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose encoders answer in a moment."""
    root = tmp_path_factory.mktemp("tiny")
    model = GalLoPClassifier(backbone=str(tiny.backbone_folder(root / "encoders")), cache=False, topk=(2, 4))
    write(root / "page", model.zero_shot(["red", "green"]), teach=True)
    return root / "page"


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def name_field(page: Page, n: int) -> Any:
    return page.get_by_role("textbox", name=f"Name of class {n}", exact=True)


def files_of(page: Page, name: str) -> Any:
    return page.locator(f'input[type=file][aria-label="Photos of {name}"]')


def counts(page: Page) -> Any:
    return page.locator(".card .count")


def shots(name: str, part: str = "train") -> list[Path]:
    return [photo.path for photo in sample_photos() if photo.part == part and photo.path.parent.name == name]


def coloured(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Different small pictures, as files."""
    return [upload(f"{i}.png", tiny.picture(i, size=(32, 32)), "PNG") for i in range(first, first + count)]


def test_a_picture_and_classes_stand_there_before_the_model_is_loaded(opened: Any, tmp_path: Path) -> None:
    """The quick walk: classes come, go and come back, whatever they are called, and no encoder is needed for it."""
    photo = photos_to_begin_with(TAUGHT_NAMES)[0]
    classifier = tiny.classifier().zero_shot(TAUGHT_NAMES)
    explained = classifier.explain(photo)
    facts = page_facts(classifier) | {"teach": teach_facts(classifier), "samples": [f"samples/{photo.name}"]}
    facts |= {"large": {"encoders/vision.onnx.packed": 1}, "version": "1", "precision": "fp32"}
    small = page_sources([photo], teach=True) | {FACTS: json.dumps(facts).encode()}
    small |= {"first.json": json.dumps(explainer_data(explained)).encode(), f"runtime/{SCRIPT_FILE}": b"export {};"}
    for name, data in small.items():
        write_file(tmp_path / name, data)
    page = opened(tmp_path, hold="**/*.packed")
    expect(page.locator("#live .best .name")).to_have_text(explained.label)
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(button(page, "Undo")).to_be_hidden()
    button(page, "Add a class").click()
    expect(name_field(page, 3)).to_be_focused()
    button(page, "Remove the class mug").click()
    expect(name_field(page, 2)).to_have_value("class 3")
    button(page, "Undo").click()
    expect(name_field(page, 2)).to_have_value("mug")
    button(page, "Why this answer?").click()
    expect(page.get_by_role("heading", name="Why this answer")).to_be_focused()


@pytest.mark.slow
def test_names_alone_answer_and_three_classes_are_taught_in_seven_actions(of_mini: Path, opened: Any) -> None:
    """Each class takes two, its name and its photos, and a third class one more."""
    page = opened(of_mini)
    expect(page.locator("#live .best .name")).to_have_text("teapot")
    for n, name in enumerate(("book", "kettle"), start=1):
        name_field(page, n).fill(name)
    expect(page.locator("#live .best .name")).to_have_text("kettle")
    for n, name in enumerate(("candle", "vase", "mug"), start=1):
        if n == 3:
            button(page, "Add a class").click()
        name_field(page, n).fill(name)
        name_field(page, n).press("Enter")
        files_of(page, name).set_input_files(shots(name))
    expect(counts(page)).to_have_text(["8 photos"] * 3)
    for name in ("candle", "vase", "mug"):
        page.get_by_label("Photo to ask about").set_input_files(shots(name, "test")[0])
        expect(page.locator("#live .bar[aria-pressed=true] .name")).to_have_text(name)
    expect(page.locator("#live .verdict")).to_be_visible()  # eight photos of each class make a limit


@pytest.mark.slow
def test_photos_come_and_go_and_undo_brings_them_back(of_tiny: Path, opened: Any) -> None:
    page = opened(of_tiny)
    broken = {"name": f"{HOSTILE}.jpg", "mimeType": "image/jpeg", "buffer": b"x"}
    files_of(page, "red").set_input_files([*coloured(3), broken])
    reads(page, f"3 added. {HOSTILE}.jpg is no photo that the browser can read")
    files_of(page, "green").set_input_files(coloured(2, 2))
    reads(page, "1 added, 1 already there")
    expect(counts(page)).to_have_text(["3 photos", "1 photo"])
    two, three = ["2 photos", "1 photo"], ["3 photos", "1 photo"]
    for name, left in (
        *(("Remove photo 2 of red", two), ("Remove the class red", ["1 photo"]), ("Undo", two), ("Undo", three)),
        *(("Undo", ["3 photos", "name only"]), ("Undo", ["name only"] * 2)),
    ):
        button(page, name).click()
        expect(counts(page)).to_have_text(left)
    expect(button(page, "Undo")).to_be_hidden()


@pytest.mark.slow
def test_hostile_names_are_text_and_what_does_not_fit_is_told(of_mini: Path, opened: Any) -> None:
    page = opened(of_mini, viewport={"width": 360, "height": 800})
    for n, name in enumerate((HOSTILE, "\u202eabc مرحبا"), start=1):
        name_field(page, n).fill(name)
        name_field(page, n).press("Enter")
    expect(page.locator("#live .bar .name")).to_have_text([HOSTILE, "abc مرحبا"])
    field = name_field(page, 1)
    for text, told in (
        ("y" * 300, "200 characters are the most"),
        ("", "A class has to have a name."),
        ("ABC مرحبا", "is there already"),
        ("x" * 200, "30 are the most"),
        ("<start_of_text>", "holds a word that only the model may use"),
    ):
        field.fill(text)
        reads(page, told)
        field.press("Enter")
        expect(field).to_have_value(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def kept(page: Page) -> Any:
    """The switch that keeps a project, in the tools, which are opened."""
    page.get_by_text("Project", exact=True).click()
    return page.get_by_role("switch", name="Keep on this device")


@pytest.mark.slow
def test_what_is_kept_survives_a_closed_tab_and_is_removed_when_asked(of_tiny: Path, opened: Any) -> None:
    page, stored = opened(of_tiny), "async () => (await indexedDB.databases()).length"
    files_of(page, "red").set_input_files(coloured(2))
    expect(counts(page)).to_have_text(["2 photos", "name only"])
    assert page.evaluate(stored) == 0
    kept(page).check()
    reads(page, "Kept in this browser.")
    files_of(page, "green").set_input_files(coloured(3, 5))
    expect(counts(page)).to_have_text(["2 photos", "3 photos"])
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("body")).to_have_attribute("data-ready", "yes")
    kept(other).click()
    reads(other, "Another tab of this page keeps its project already")
    expect(other.get_by_role("switch", name="Keep on this device")).not_to_be_checked()
    other.close()
    page.close()
    again = page.context.new_page()
    again.goto(page.url)
    reads(again, "Your project is back, with 5 photos.")
    expect(counts(again)).to_have_text(["2 photos", "3 photos"])
    kept(again).uncheck()
    reads(again, "Removed from this browser.")
    assert again.evaluate(stored) == 0
    again.reload()
    expect(again.locator("body")).to_have_attribute("data-ready", "yes")
    expect(counts(again)).to_have_text(["name only"] * 2)


@pytest.mark.slow
def test_a_project_goes_out_and_comes_in_again(of_tiny: Path, opened: Any, tmp_path: Path) -> None:
    page = opened(of_tiny)
    files_of(page, "red").set_input_files(coloured(2))
    files_of(page, "green").set_input_files(coloured(3, 5))
    expect(counts(page)).to_have_text(["2 photos", "3 photos"])
    page.get_by_text("Project", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as a file").click()
    path = tmp_path / "project.zip"
    download.value.save_as(path)
    page.get_by_text("Project", exact=True).click()
    page.get_by_role("button", name="Start over").click()
    expect(counts(page)).to_have_text(["name only"] * 2)
    page.get_by_label("Project file").set_input_files(path)
    reads(page, "Opened 2 classes with 5 photos.")
    expect(counts(page)).to_have_text(["2 photos", "3 photos"])
    damaged = {"name": "p.zip", "mimeType": "application/zip", "buffer": path.read_bytes()[:200]}
    page.get_by_label("Project file").set_input_files([damaged])
    expect(page.locator("#tools .problem")).to_contain_text("p.zip")
    expect(counts(page)).to_have_text(["2 photos", "3 photos"])


@pytest.mark.slow
def test_many_classes_and_photos_stay_usable(of_tiny: Path, opened: Any) -> None:
    """500 photos of eight classes, and a hundred classes."""
    page = opened(of_tiny)
    for n in range(1, 9):
        if n > 2:
            button(page, "Add a class").click()
        name_field(page, n).fill(f"thing {n}")
        name_field(page, n).press("Enter")
        files_of(page, f"thing {n}").set_input_files(coloured(63, 100 * n))
        expect(counts(page)).to_have_text(["63 photos"] * n + ["name only"] * (2 - n))  # thumbnails move what is below
    files_of(page, "thing 1").set_input_files(coloured(3, 1000))
    reads(page, "1 added. 64 photos of a class are the most; remove some first.")
    for _ in range(9, 101):
        button(page, "Add a class").click()
    expect(counts(page)).to_have_count(100)
    button(page, "Add a class").click()
    reads(page, "100 classes are the most.")
    page.get_by_label("Photo to ask about").set_input_files(coloured(1, 5000))
    expect(page.locator("#live .bar:visible")).to_have_count(6)
    took = page.evaluate(
        """async () => {
            const begun = performance.now();
            const painted = new Promise((done) => document.addEventListener("painted", done, { once: true }));
            document.querySelector(".thumbs button").click();
            await painted;
            return performance.now() - begun;
        }"""
    )
    assert took < 3000


@pytest.mark.slow
def test_without_a_camera_files_go_on_working(of_tiny: Path, opened: Any) -> None:
    page = opened(of_tiny, script=NO_CAMERA)
    button(page, "Turn on camera").click()
    expect(page.locator("#tools .problem")).to_contain_text("does not let this page use the camera")
    button(page, "Hold to record photos of red").click()
    expect(page.locator(".card .problem")).to_contain_text("or upload photos")
    page.evaluate(
        """() => {
            Object.defineProperty(navigator, "mediaDevices", { value: undefined });
            Object.defineProperty(window, "isSecureContext", { value: false });
        }"""
    )
    button(page, "Turn on camera").click()
    expect(page.locator("#tools .problem")).to_contain_text("only to pages from https:// or from this machine")
    files_of(page, "red").set_input_files(coloured(1))
    expect(counts(page)).to_have_text(["1 photo", "name only"])


@pytest.fixture(scope="module")
def filming(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser whose camera shows a film of the sample's photos."""
    film = tmp_path_factory.mktemp("film") / "film.y4m"
    write_film(film)
    words = [*QUIET, f"--use-file-for-fake-video-capture={film}"]
    with browser.browser_type.launch(executable_path=browser_path(), args=words) as chromium:
        yield chromium


@pytest.mark.slow
def test_a_button_is_held_and_the_answer_follows_the_camera(of_tiny: Path, filming: Any, opened: Any) -> None:
    page = opened(of_tiny, of=filming)
    record = button(page, "Hold to record photos of red")
    record.hover()
    page.mouse.down()
    expect(page.get_by_text("Recording", exact=True)).to_be_visible()
    several = re.compile(r"^\d+ photos$")
    expect(counts(page).first).to_have_text(several)
    page.mouse.up()
    expect(record).to_have_attribute("aria-pressed", "false")
    button(page, "Hold to record photos of green").focus()
    page.keyboard.down("Enter")
    expect(counts(page).last).to_have_text(several)
    page.keyboard.up("Enter")
    page.evaluate(PAINTED_TWICE)  # what was taken before the button was let go is learned from, too
    before = int(counts(page).first.inner_text().split()[0])
    record.click()
    expect(counts(page).first).to_have_text(f"{before + 1} photos")
    page.evaluate(PAINTED_TWICE)  # frame after frame
    button(page, "Freeze, and ask why").click()
    expect(page.locator("#why .explainer .best")).to_be_visible()
    expect(page.get_by_role("heading", name="Photos that voted on")).to_be_visible()
    expect(page.locator("#live video")).to_be_hidden()
    button(page, "Close").click()
    expect(page.locator("#live video")).to_be_visible()
    page.get_by_text("Project", exact=True).click()
    page.get_by_role("switch", name="Record without holding").check()
    page.keyboard.press("Escape")
    held = counts(page).last.inner_text()
    tap = button(page, "Record photos of green")
    tap.click()
    expect(tap).to_have_text("Stop")
    expect(counts(page).last).not_to_have_text(held)
    tap.click()
    expect(tap).to_have_text("Record")
    button(page, "Turn off").click()
    expect(button(page, "Turn on camera")).to_be_visible()


@pytest.mark.slow
def test_dropped_and_pasted_photos_go_where_they_are_dropped(of_tiny: Path, opened: Any) -> None:
    give = """([event, selector, data]) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const moved = new DataTransfer();
        moved.items.add(new File([bytes], "p.png", { type: "image/png" }));
        const told = event === "drop" ? { dataTransfer: moved } : { clipboardData: moved };
        const Kind = event === "drop" ? DragEvent : ClipboardEvent;
        document.querySelector(selector).dispatchEvent(new Kind(event, { bubbles: true, cancelable: true, ...told }));
    }"""
    page = opened(of_tiny)
    for seed, (event, place, left) in enumerate(
        (
            ("drop", ".card:last-child", ["name only", "1 photo"]),
            ("paste", ".card:first-child input", ["1 photo", "1 photo"]),
            ("drop", "#live", ["1 photo", "1 photo"]),
        )
    ):
        page.evaluate(give, [event, place, base64.b64encode(tiny.png(seed)).decode()])
        expect(counts(page)).to_have_text(left)
    expect(page.locator("#live img.photo")).to_have_attribute("src", re.compile("^data:image/jpeg"))
    expect(counts(page)).to_have_text(left)


@pytest.mark.slow
def test_once_loaded_it_needs_no_network(of_tiny: Path, opened: Any) -> None:
    with served_folder(of_tiny) as address:
        page = opened(address)
        reads(page, "Works without a network from now on.")
    page.context.set_offline(True)  # and its server is gone, too
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")
    files_of(page, "red").set_input_files(coloured(2))
    expect(counts(page)).to_have_text(["2 photos", "name only"])


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_and_nothing_is_cut_off(of_mini: Path, opened: Any, scheme: str, width: int) -> None:
    page = opened(of_mini, color_scheme=scheme, viewport={"width": width, "height": 800})
    for name in TAUGHT_NAMES:
        files_of(page, name).set_input_files(shots(name)[:2])
    expect(counts(page)).to_have_text(["2 photos"] * 2)
    page.get_by_text("Project", exact=True).click()
    for _ in range(2):
        assert axe_faults(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        page.keyboard.press("Escape")
        button(page, "Why this answer?").click()
        expect(page.locator("#why .votes li")).to_have_count(4)
