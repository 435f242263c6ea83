"""The page for browsers: its answers are Python's, nothing leaves it, and it works without a network."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image, ImageCms

from gallop import GalLoPClassifier, load_image
from gallop.config import HEADS
from gallop.export.web import FIRST_NAMES, write
from gallop.export.web.page_files import photos_to_begin_with
from gallop.model.branches.kinds import KINDS, register
from gallop.wording import strange_in_words, strangeness
from tests import tiny
from tests.browsing import HOSTILE, Page, axe_faults, expect, reads, upload
from tests.http_server import served_folder
from tests.nasty_images import encode
from tests.test_own_parts import HISTOGRAM

NAMES = ("red", "green", "blue")

COUNTED = """
    window.asked = 0;
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (...said) { window.asked++; return post.apply(this, said); };
"""
"""What the worker is asked."""

ANSWERS = """
async ({ rgba, width, height, names }) => {
  const { facts, large } = await import("./src/files.js");
  const { Encoders } = await import("./src/encoders.js");
  const { Texts } = await import("./src/cosines.js");
  const { explained } = await import("./src/shown.js");
  const { Take } = await import("./explainer/numerics.js");
  const model = await facts();
  const encoders = new Encoders();
  await encoders.start(model, await large(model, () => {}));
  const bytes = Uint8ClampedArray.from(atob(rgba), (letter) => letter.charCodeAt(0));
  const { looks } = await encoders.look({ rgba: bytes, width, height });
  const sentences = names.flatMap((name) => model.templates.map((template) => template.replace("{}", name)));
  const { features } = await encoders.texts(sentences);
  const texts = new Texts(features, names.length, model.width, [0, 1, 2, 3], [0, 1, 2, 3]);
  const data = explained(model, names, looks, texts, { photo: "", ratio: 1, crop: [0, 0, 1, 1] });
  encoders.worker.terminate();
  return Array.from(new Take(data, data.takes[0]).answer(model.topk).probabilities);
}
"""
"""What the page works out of pixels and names, asked of its own parts."""


@pytest.fixture(scope="module")
def of_mini(onnxruntime_web: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page without a model, as anybody gets it; the only test of all that is whole."""
    folder = tmp_path_factory.mktemp("page")
    assert sum(write(folder).values()) < 40e6
    return folder


@pytest.fixture(scope="module")
def taught() -> Iterator[GalLoPClassifier]:
    """With projections, two looks, the default head, a custom one beside it, and a threshold."""
    with mock.patch.dict(KINDS), mock.patch.dict(HEADS):
        heads = ("ridge", register(HISTOGRAM).name)
        classifier = tiny.classifier(head=heads, detail=2, local_projection=True, calibration_folds=2)
        yield classifier.fit(*tiny.pictures(dict.fromkeys(NAMES, 4)))


@pytest.fixture(scope="module")
def of_taught(onnxruntime_web: None, taught: GalLoPClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
    write(folder, taught)
    return folder


def best(page: Page) -> Any:
    return page.locator(".explainer .best")


def chips(page: Page) -> Any:
    return page.get_by_role("list", name="Names").get_by_role("listitem")


@pytest.mark.slow
def test_a_first_answer_stands_there_and_is_pythons_to_four_digits(of_mini: Path, opened: Any) -> None:
    picture = Image.open(photos_to_begin_with(FIRST_NAMES)[0]).convert("RGB").resize((501, 333))
    names = [*FIRST_NAMES, "a café's cup", "golden retriever"]
    page = opened(of_mini)
    expect(best(page)).to_contain_text("teapot")
    rgba = base64.b64encode(np.asarray(picture.convert("RGBA")).tobytes()).decode()
    wanted = GalLoPClassifier(device="cpu").zero_shot(names).explain(picture).probabilities
    asked = {"rgba": rgba, "width": 501, "height": 333, "names": names}
    assert page.evaluate(ANSWERS, asked) == pytest.approx([*wanted.values()], abs=1e-4)


@pytest.mark.slow
def test_the_picture_is_there_before_the_model_is(of_mini: Path, opened: Any) -> None:
    """And k moves on it: the cosines of the first sample came with the page."""
    held: list[Any] = []
    page = opened(of_mini, hold="**/*.packed", held=held)
    expect(best(page)).to_contain_text("teapot")
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_label("Local prompt 1: its k best regions").fill("40")
    expect(page.locator(".cell.outlined")).to_have_count(40)
    words = best(page).inner_text()
    for route in held:
        route.continue_()
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(best(page)).to_have_text(words, use_inner_text=True)


@pytest.mark.slow
def test_names_are_typed_and_k_asks_no_backbone(of_mini: Path, opened: Any) -> None:
    page = opened(of_mini, script=COUNTED)
    field = page.get_by_role("textbox", name="Add a name")
    field.fill(f"kettle, {HOSTILE}")
    field.press("Enter")
    expect(chips(page)).to_have_count(6)
    expect(page.locator(".explainer .bar .name", has_text="kettle")).to_be_visible()
    expect(field).to_have_value("")
    for text, told in (
        ("Mug", "“Mug” is there already."),
        ("<start_of_text>", "holds a word that only the model may use"),
        ("a " * 24, "has 31 tokens; 30 are the most"),  # with 23 of them the text model is full
    ):
        field.fill(text)
        field.press("Enter")
        reads(page, told)
        expect(chips(page)).to_have_count(6)
    field.fill("a " * 23)
    field.press("Enter")
    expect(chips(page)).to_have_count(7)
    page.get_by_role("button", name=re.compile("^Take a a")).click()
    page.get_by_role("button", name="Take teapot away").click()
    expect(chips(page)).to_have_count(5)
    expect(best(page)).not_to_contain_text("teapot")
    asked = page.evaluate("window.asked")
    page.get_by_label("Local prompt 1: its k best regions").fill("40")
    expect(page.locator(".cell.outlined")).to_have_count(40)
    page.get_by_role("button", name="Take kettle away").click()
    expect(chips(page)).to_have_count(4)
    assert page.evaluate("window.asked") == asked


@pytest.mark.slow
def test_photos_come_by_file_drop_paste_and_webcam(of_mini: Path, opened: Any) -> None:
    page = opened(of_mini, script=COUNTED, permissions=["camera"])
    files = page.get_by_label("Photo", exact=True)
    files.set_input_files(photos_to_begin_with(("mug",))[0])
    expect(best(page)).to_contain_text("mug")
    files.set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"x"})
    told = page.get_by_role("alert").filter(has_text="a.jpg is no photo that the browser can read")
    expect(told).to_be_visible()
    for event, name in (("drop", "vase"), ("paste", "candle")):
        data = base64.b64encode(photos_to_begin_with((name,))[0].read_bytes()).decode()
        page.evaluate(
            """([event, data]) => {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                const moved = new DataTransfer();
                moved.items.add(new File([bytes], "p.jpg", { type: "image/jpeg" }));
                const told = event === "drop" ? { dataTransfer: moved } : { clipboardData: moved };
                const Kind = event === "drop" ? DragEvent : ClipboardEvent;
                document.body.dispatchEvent(new Kind(event, { bubbles: true, cancelable: true, ...told }));
            }""",
            [event, data],
        )
        expect(best(page)).to_contain_text(name)
        expect(told).to_have_count(0)
    before = page.evaluate("window.asked")
    page.get_by_role("button", name="Use the webcam").click()
    page.wait_for_function("before => window.asked > before + 2", arg=before)
    page.get_by_role("button", name="Stop the webcam").click()
    expect(page.get_by_role("button", name="Use the webcam")).to_be_visible()


@pytest.mark.slow
def test_a_photo_that_comes_before_the_model_waits_for_it(of_mini: Path, opened: Any) -> None:
    held: list[Any] = []
    page = opened(of_mini, hold="**/encoders/vision.onnx.packed", held=held)
    reads(page, "Loading the model")
    page.get_by_label("Photo", exact=True).set_input_files(photos_to_begin_with(("candle",))[0])
    held[0].continue_()
    expect(best(page)).to_contain_text("candle")
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")
    expect(best(page)).to_contain_text("candle")


@pytest.mark.slow
def test_once_loaded_it_needs_no_network(of_mini: Path, opened: Any) -> None:
    with served_folder(of_mini) as address:
        page = opened(address)
        reads(page, "This page works without a network from now on.")
    page.context.set_offline(True)  # and its server is gone, too
    page.reload()
    expect(best(page)).to_contain_text("teapot")
    page.get_by_role("button", name="Sample photo 2").click()
    expect(best(page)).to_contain_text("mug")


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_and_keys_are_enough(of_mini: Path, opened: Any, scheme: str, width: int) -> None:
    page = opened(of_mini, color_scheme=scheme, viewport={"width": width, "height": 844})
    expect(best(page)).to_be_visible()
    assert axe_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Choose a photo").focus()
    for name in ("Use the webcam", *(f"Sample photo {i}" for i in (1, 2, 3, 4)), "Take teapot away"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_count(3)
    expect(page.get_by_role("textbox", name="Add a name")).to_be_focused()


@pytest.mark.slow
def test_a_taught_models_page_answers_as_it_does(of_taught: Path, taught: GalLoPClassifier, opened: Any) -> None:
    page = opened(of_taught)
    reads(page, "Choose a photo, or drop one anywhere on this page.")
    expect(page.get_by_role("list", name="Classes of this model").get_by_role("listitem")).to_have_text(list(NAMES))
    expect(page.get_by_role("textbox", name="Add a name")).to_have_count(0)
    for photo in (tiny.picture(9, "green", (48, 40)), tiny.picture(11, "blue", (33, 70))):
        page.get_by_label("Photo", exact=True).set_input_files(upload("photo.png", photo, "PNG"))
        found = taught.explain(photo)
        share = f"{100 * found.probabilities[found.label]:.1f} %"
        expect(best(page)).to_contain_text(found.label)
        expect(page.locator(".explainer .bar.explained .value").first).to_have_text(share)
        words = strange_in_words(strangeness(found.ood_score, found.threshold, len(NAMES))).capitalize()
        expect(page.locator(".explainer .verdict .sentence")).to_have_text("" if found.doubt else words)
    expect(page.get_by_role("group", name="Size of regions").get_by_role("button")).to_have_count(2)


def kinds_of_files() -> dict[str, bytes]:
    """Of one photo: turned by EXIF, grey, transparent, of a palette, with a colour profile that nobody reads."""
    photo = Image.open(photos_to_begin_with(FIRST_NAMES)[0]).convert("RGB").resize((90, 60))
    turned, clear = Image.Exif(), photo.copy()
    turned[0x0112] = 6
    clear.putalpha(Image.linear_gradient("L").resize(photo.size))
    narrow = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return {
        "turned": encode(photo, "JPEG", exif=turned, quality=90),
        "grey": encode(photo.convert("L"), "JPEG"),
        "progressive": encode(photo, "JPEG", progressive=True, quality=70),
        "transparent": encode(clear, "PNG"),
        "palette": encode(photo.quantize(16), "PNG"),
        "webp": encode(photo, "WEBP", lossless=True),
        "profile": encode(photo, "JPEG", icc_profile=narrow, quality=90),
    }


@pytest.mark.slow
def test_files_of_every_kind_have_the_pixels_that_python_sees(of_taught: Path, opened: Any) -> None:
    page = opened(of_taught)
    for name, file in kinds_of_files().items():
        said = page.evaluate(
            """async (file) => {
                const { opened, pixelsOf } = await import("./src/photo.js");
                const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
                const { rgba, width, height } = pixelsOf(await opened(new Blob([bytes])));
                return { width, height, rgba: Array.from(rgba) };
            }""",
            base64.b64encode(file).decode(),
        )
        own = np.asarray(load_image(file).image).astype(int)
        theirs = np.array(said["rgba"]).reshape(said["height"], said["width"], 4)
        assert theirs.shape[:2] == own.shape[:2], name
        assert abs(theirs[..., :3] - own).max() <= 1, name


@pytest.mark.slow
def test_what_keeps_the_page_from_starting_is_told(of_taught: Path, browser: Any, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto((of_taught / "index.html").as_uri())
    said = "this page was opened as a file, from which browsers do not load its scripts"
    reads(page, said, "python -m http.server")
    shutil.copytree(of_taught, tmp_path / "page", ignore=shutil.ignore_patterns("vision.onnx.packed"))
    with served_folder(tmp_path / "page") as address:
        page.goto(address)
        reads(page, "encoders/vision.onnx.packed is not there (404): serve the complete folder.")
    page.close()
