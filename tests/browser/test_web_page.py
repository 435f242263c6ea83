"""The page for browsers: its answers are Python's, nothing leaves it, and it works without a network."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

if os.environ.get("GALLOP_REQUIRE_TOOLS") != "1":
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from axe_playwright_python.sync_playwright import Axe

from gallop import GalLoPClassifier, MethodConfig, load_image
from gallop.export.web import FIRST_NAMES, write
from gallop.export.web.folder import photos_to_begin_with
from gallop.wording import strange_in_words, strangeness
from tests import tiny
from tests.browsing import HOSTILE, Page, expect
from tests.http_server import served_folder

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
  const { features } = await encoders.texts(names.map((name) => model.templates[0].replace("{}", name)));
  const texts = new Texts(features, names.length, model.width, [0, 0, 0, 0], [0, 0, 0, 0]);
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
def taught() -> GalLoPClassifier:
    """With projections, two looks, a head and a limit."""
    method = MethodConfig(head="ridge", detail=2, topk=(2, 4), global_prompts=2, local_projection=True)
    return tiny.classifier(method=method, calibration_folds=2).fit(*tiny.pictures(dict.fromkeys(NAMES, 4)))


@pytest.fixture(scope="module")
def of_taught(onnxruntime_web: None, taught: GalLoPClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
    write(folder, taught)
    return folder


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """A function that opens a page until it is ready; all that it asked of anybody else, or complained of, fails it."""
    contexts, wrong = [], []

    def open_(address: str, **settings: Any) -> Page:
        context = browser.new_context(**settings)
        contexts.append(context)
        context.on(
            "request", lambda one: None if one.url.startswith((address, "data:", "blob:")) else wrong.append(one.url)
        )
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        context.add_init_script(COUNTED)
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.goto(address)
        expect(page.locator("body")).to_have_attribute("data-ready", "yes")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def png(image: Image.Image, name: str = "photo.png") -> dict[str, Any]:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


def best(page: Page) -> Any:
    return page.locator(".explainer .best")


def chips(page: Page) -> Any:
    return page.get_by_role("list", name="Names").get_by_role("listitem")


@pytest.mark.slow
def test_a_first_answer_stands_there_and_is_pythons_to_four_digits(of_mini: Path, opened: Any) -> None:
    photo = Image.open(photos_to_begin_with(FIRST_NAMES)[0]).convert("RGB")
    names = [*FIRST_NAMES, "a café's cup", "golden retriever"]
    classifier = GalLoPClassifier(device="cpu").zero_shot(names)
    with served_folder(of_mini) as address:
        page = opened(address)
        expect(best(page)).to_contain_text("teapot")
        picture = photo.resize((501, 333))
        rgba = base64.b64encode(np.asarray(picture.convert("RGBA")).tobytes()).decode()
        found = page.evaluate(ANSWERS, {"rgba": rgba, "width": 501, "height": 333, "names": names})
    wanted = list(classifier.explain(picture).probabilities.values())
    assert np.abs(np.array(found) - wanted).max() < 1e-4


@pytest.mark.slow
def test_the_picture_is_there_before_the_model_is(of_mini: Path, browser: Any) -> None:
    """And k moves on it: the cosines of the first sample came with the page."""
    with served_folder(of_mini) as address, browser.new_context() as context:
        page, held = context.new_page(), []
        page.route("**/*.packed", lambda route: held.append(route))
        page.goto(address)
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
    with served_folder(of_mini) as address:
        page = opened(address)
        field = page.get_by_role("textbox", name="Add a name")
        field.fill(f"kettle, {HOSTILE}")
        field.press("Enter")
        expect(chips(page)).to_have_count(6)
        expect(page.locator(".explainer .bar .name", has_text="kettle")).to_be_visible()
        expect(field).to_have_value("")
        field.fill("Mug")
        field.press("Enter")
        expect(page.get_by_text("“Mug” is there already.")).to_be_visible()
        field.fill("<start_of_text>")
        field.press("Enter")
        expect(page.get_by_text("holds a word that only the model may use")).to_be_visible()
        expect(chips(page)).to_have_count(6)
        field.fill("a " * 27)  # with 26 of them the text model is full
        field.press("Enter")
        expect(page.get_by_text("has 31 tokens; 30 are the most")).to_be_visible()
        field.fill("a " * 26)
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
    mug = photos_to_begin_with(("mug",))[0]
    with served_folder(of_mini) as address:
        page = opened(address, permissions=["camera"])
        page.get_by_label("Photo", exact=True).set_input_files(mug)
        expect(best(page)).to_contain_text("mug")
        broken = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"x"}
        page.get_by_label("Photo", exact=True).set_input_files(broken)
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
def test_a_photo_that_comes_before_the_model_waits_for_it(of_mini: Path, browser: Any) -> None:
    page = browser.new_page()
    with served_folder(of_mini) as address:
        held: list[Any] = []
        page.route("**/encoders/vision.onnx.packed", lambda route: held.append(route))
        with page.expect_request("**/encoders/vision.onnx.packed"):
            page.goto(address)
        expect(page.get_by_text("Loading the model")).to_be_visible()
        page.get_by_label("Photo", exact=True).set_input_files(photos_to_begin_with(("candle",))[0])
        held[0].continue_()
        expect(best(page)).to_contain_text("candle")
        expect(page.locator("body")).to_have_attribute("data-ready", "yes")
        expect(best(page)).to_contain_text("candle")
    page.close()


@pytest.mark.slow
def test_once_loaded_it_needs_no_network(of_mini: Path, opened: Any) -> None:
    with served_folder(of_mini) as address:
        page = opened(address)
        expect(page.get_by_text("This page works without a network from now on.")).to_be_visible()
    page.context.set_offline(True)  # and its server is gone, too
    page.reload()
    expect(best(page)).to_contain_text("teapot")
    page.get_by_role("button", name="Sample photo 2").click()
    expect(best(page)).to_contain_text("mug")


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_and_keys_are_enough(of_mini: Path, opened: Any, scheme: str, width: int) -> None:
    with served_folder(of_mini) as address:
        page = opened(address, color_scheme=scheme, viewport={"width": width, "height": 844})
        expect(best(page)).to_be_visible()
        found = Axe().run(page).response["violations"]
        assert not [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("button", name="Choose a photo").focus()
        names = ["Use the webcam", *(f"Sample photo {i}" for i in (1, 2, 3, 4)), "Take teapot away"]
        for name in names:
            page.keyboard.press("Tab")
            expect(page.get_by_role("button", name=name)).to_be_focused()
        page.keyboard.press("Enter")
        expect(chips(page)).to_have_count(3)
        expect(page.get_by_role("textbox", name="Add a name")).to_be_focused()


@pytest.mark.slow
def test_a_taught_models_page_answers_as_it_does(of_taught: Path, taught: GalLoPClassifier, opened: Any) -> None:
    photos = [tiny.picture(9, "green", (48, 40)), tiny.picture(11, "blue", (33, 70))]
    with served_folder(of_taught) as address:
        page = opened(address)
        expect(page.get_by_text("Choose a photo, or drop one anywhere on this page.")).to_be_visible()
        expect(page.get_by_role("list", name="Classes of this model").get_by_role("listitem")).to_have_text(list(NAMES))
        expect(page.get_by_role("textbox", name="Add a name")).to_have_count(0)
        for photo in photos:
            page.get_by_label("Photo", exact=True).set_input_files(png(photo))
            found = taught.explain(photo)
            share = f"{100 * found.probabilities[found.label]:.1f} %"
            expect(best(page)).to_contain_text(found.label)
            expect(page.locator(".explainer .bar.explained .value").first).to_have_text(share)
            strange = strangeness(found.ood_score, found.threshold, len(NAMES))
            words = strange_in_words(strange).capitalize()
            expect(page.locator(".explainer .verdict .sentence")).to_have_text("" if found.doubt else words)
        expect(page.get_by_role("group", name="Size of regions").get_by_role("button")).to_have_count(2)


def kinds_of_files() -> dict[str, bytes]:
    """Of one photo: turned by EXIF, grey, transparent, of a palette, with a colour profile that nobody reads."""
    photo = Image.open(photos_to_begin_with(FIRST_NAMES)[0]).convert("RGB").resize((90, 60))
    found: dict[str, bytes] = {}

    def save(name: str, image: Image.Image, kind: str, **settings: Any) -> None:
        stream = io.BytesIO()
        image.save(stream, kind, **settings)
        found[name] = stream.getvalue()

    turned = Image.Exif()
    turned[0x0112] = 6
    clear = photo.copy()
    clear.putalpha(Image.linear_gradient("L").resize(photo.size))
    save("turned", photo, "JPEG", exif=turned, quality=90)
    save("grey", photo.convert("L"), "JPEG")
    save("progressive", photo, "JPEG", progressive=True, quality=70)
    save("transparent", clear, "PNG")
    save("palette", photo.quantize(16), "PNG")
    save("webp", photo, "WEBP", lossless=True)
    narrow = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    save("profile", photo, "JPEG", icc_profile=narrow, quality=90)
    return found


@pytest.mark.slow
def test_files_of_every_kind_have_the_pixels_that_python_sees(of_taught: Path, opened: Any) -> None:
    with served_folder(of_taught) as address:
        page = opened(address)
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
    expect(
        page.get_by_text("this page was opened as a file, from which browsers do not load its scripts")
    ).to_be_visible()
    expect(page.get_by_text("python -m http.server")).to_be_visible()
    folder = tmp_path / "page"
    shutil.copytree(of_taught, folder, ignore=shutil.ignore_patterns("vision.onnx.packed"))
    with served_folder(folder) as address:
        page.goto(address)
        told = "encoders/vision.onnx.packed is not there (404): serve the complete folder."
        expect(page.get_by_text(told)).to_be_visible()
    page.close()
