"""A page in a frame: which page it tells its answers, what it tells, and the examples of ``docs/howto/embed.md``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gallop import GalLoPClassifier
from gallop.export.web import FACTS, fetch, write
from tests import tiny
from tests.browsing import axe_faults, expect, upload
from tests.conftest import leave_out_without
from tests.docs.test_pages import ROOT, blocks
from tests.http_server import served_folder

PLAIN, WITH_P5 = blocks(ROOT / "docs/howto/embed.md", "html")
RED, GREEN = (upload(f"{colour}.png", tiny.picture(9, colour), "PNG") for colour in ("red", "green"))
HEARD = "window.heard = []; addEventListener('message', ({ origin, data }) => window.heard.push({ origin, data }));"
P5 = "p5-1.11.10"
Places = tuple[Path, str, Path, str]


@pytest.fixture(scope="module")
def taught() -> GalLoPClassifier:
    classifier = tiny.classifier(head="ridge", calibration_folds=2)
    return classifier.fit(*tiny.pictures(dict.fromkeys(("red", "green", "blue"), 8)))


@pytest.fixture(scope="module")
def places(
    onnxruntime_web: None, taught: GalLoPClassifier, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Places]:
    """Folder and origin of the page around, and of a page that may tell that one."""
    school, page = (tmp_path_factory.mktemp(name) for name in ("school", "page"))
    with served_folder(school) as around, served_folder(page) as inside:
        write(page, taught, embed=[around])
        yield school, around.removesuffix("/"), page, inside.removesuffix("/")


@pytest.fixture
def holding(browser: Any, places: Places) -> Iterator[Any]:
    """A function that opens an example as a page around, and gives it with the frame, ready."""
    school, around, _, inside = places
    context = browser.new_context(viewport={"width": 900, "height": 900})
    context.add_init_script(HEARD)

    def hold(example: str, host: str = "127.0.0.1", ask: str = "?embed=1") -> tuple[Any, Any]:
        text = example.replace("https://models.example/page/?embed=1", f"{inside}/{ask}")
        (school / "index.html").write_text(text.replace("https://models.example", inside))
        page = context.new_page()
        page.goto(around.replace("127.0.0.1", host))
        expect(page.frame_locator("iframe").locator("body")).to_have_attribute("data-ready", "yes")
        return page, page.frame_locator("iframe")

    yield hold
    context.close()


@pytest.mark.slow
def test_the_page_around_is_told_what_python_answers(holding: Any, taught: GalLoPClassifier, places: Places) -> None:
    page, frame = holding(PLAIN)
    expect(frame.locator(".around")).to_contain_text(f"is sent to the page around this one: {places[1]}")
    assert page.evaluate("heard") == []  # before a photo is asked
    frame.get_by_label("Photo", exact=True).set_input_files(RED)
    expect(page.locator("#seen")).to_have_text("red")
    told, found = page.evaluate("heard.at(-1)"), taught.explain(tiny.picture(9, "red"))
    shares = told["data"].pop("probabilities")
    answer = {"type": "gallop.answer", "label": found.label, "none_of_these": bool(found.is_ood)}
    assert told == {"origin": places[3], "data": answer}
    assert shares == pytest.approx(found.probabilities, abs=1e-4)
    for part in (".best", "canvas.map"):
        expect(frame.locator(part)).to_be_visible()
    for part in ("#lead", "#names", "footer", ".k", ".cover"):
        expect(frame.locator(part).first).to_be_hidden()
    assert axe_faults(page.frames[1]) == []


@pytest.mark.slow
def test_no_other_page_is_told_whatever_the_address_says(holding: Any, places: Places) -> None:
    """One of another origin; one around a page that was exported without the option; and nobody around."""
    _, around, folder, inside = places
    written, asks = (folder / FACTS).read_text("utf-8"), f"?embed=1&embed={around}"
    for host, given in (("localhost", written), ("127.0.0.1", json.dumps(json.loads(written) | {"embed": []}))):
        (folder / FACTS).write_text(given, "utf-8")
        page, frame = holding(PLAIN, host, asks)
        frame.get_by_label("Photo", exact=True).set_input_files(RED)
        expect(frame.locator(".best")).to_contain_text("red")
        expect(frame.locator(".around")).to_have_count(0)
        assert page.evaluate("heard") == []
    (folder / FACTS).write_text(written, "utf-8")
    page.goto(f"{inside}/{asks}")
    page.get_by_label("Photo", exact=True).set_input_files(RED)
    expect(page.locator(".best")).to_contain_text("red")
    expect(page.locator(".around")).to_have_count(0)


@pytest.mark.slow
def test_p5_draws_what_the_page_sees(holding: Any, places: Places) -> None:
    library = places[0] / "node_modules/p5"
    packed = subprocess.run(
        [*fetch._npm(), "pack", P5.replace("-", "@"), "--silent"], cwd=places[0], capture_output=True, check=False
    )
    leave_out_without("npm did not download p5" if packed.returncode else "")
    shutil.unpack_archive(places[0] / f"{P5}.tgz", library, filter="data")
    (library / "package/lib").rename(library / "lib")
    page, frame = holding(WITH_P5.replace('"mug"', '"red"'))
    for photo, colour in ((RED, "15,107,98,255"), (GREEN, "255,255,255,255"), (RED, "15,107,98,255")):
        frame.get_by_label("Photo", exact=True).set_input_files(photo)
        page.wait_for_function("colour => get(140, 180).join() === colour", arg=colour)


@pytest.mark.slow
def test_a_page_that_teaches_tells_what_it_was_taught(holding: Any, places: Places, tmp_path: Path) -> None:
    model = GalLoPClassifier(backbone=str(tiny.backbone_folder(tmp_path / "encoders")), cache=False, topk=(2, 4))
    write(places[2] / "teach", model.zero_shot(["mug", "teapot"]), teach=True, embed=[places[1]])
    page, frame = holding(PLAIN, ask="teach/index.html")
    expect(frame.locator("#live .best .name")).to_have_text(re.compile("mug|teapot"))
    assert page.evaluate("heard") == []  # the page has asked about a sample by itself
    frame.locator('input[type=file][aria-label="Photos of teapot"]').set_input_files(GREEN)
    frame.get_by_label("Photo to ask about").set_input_files(GREEN)
    page.wait_for_function("heard.at(-1)?.data.label === 'teapot'")
    expect(frame.locator("footer")).to_contain_text("No photo is sent anywhere. The model")
    page, frame = holding(PLAIN, ask="teach/index.html?embed=1")
    for part in ("#lead", "#classes", "footer", "summary"):
        expect(frame.locator(part).first).to_be_hidden()
    expect(frame.get_by_role("button", name="Turn on camera")).to_be_visible()
    assert axe_faults(page.frames[1]) == []
