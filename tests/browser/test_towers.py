"""Two towers in a real browser: train with each, compare, export, reload; and what goes wrong with towers."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.browsing import (
    PATIENCE,
    Page,
    answer,
    choose,
    choose_photo,
    expect,
    files_into,
    go,
    metric,
    rounds,
    settled,
    shots,
    zipped,
)
from tests.conftest import ROOT, serving
from tests.weight_server import Hub, weight_server

pytestmark = pytest.mark.browser

REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
LARGE = bytes(2**25)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """What stands for the hub on the internet: slow, and its file is no tower."""
    with weight_server(Hub({f"{REPOSITORY}/open_clip_model.safetensors": LARGE}, pause=0.05)) as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[str]:
    """The app with a small random ViT in a folder, a wrong file, and downloads allowed."""
    folder = tmp_path_factory.mktemp("towers")
    (folder / "small").mkdir()
    tiny.backbone_folder(folder / "small")
    (folder / "wrong.safetensors").write_bytes(b"no weights at all")
    named = [str(folder / "small"), f"ViT-B-16-quickgelu={folder / 'wrong.safetensors'}"]
    words = ["--allow-downloads", "--tower-memory", "1", "--towers", *named]
    command = [sys.executable, "-m", "gallop", "app", "--no-browser", *words, "--port"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.address)
        with serving(folder, command, ROOT) as (address, _):
            yield address


@pytest.fixture
def visit(browser: Any, server: str) -> Iterator[Any]:
    contexts: list[Any] = []

    def make(path: str = "") -> Page:
        contexts.append(browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce"))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{server}/{path}")
        page.get_by_role("heading", level=1).wait_for()
        return page

    yield make
    for context in contexts:
        context.close()


def tower(page: Page, name: str) -> None:
    choose(page, "Tower", name)
    expect(page.get_by_role("combobox", name="Tower")).to_have_value(name)


def train(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Train")).click()
    expect(page.get_by_text("Done: 2 steps")).to_be_visible(timeout=4 * PATIENCE)


@pytest.mark.slow
def test_two_towers_are_trained_compared_exported_and_found_again(visit: Any, tmp_path: Path) -> None:
    page = visit("teach")
    page.get_by_text("All classes at once").click()
    folders = {}
    for name, sample in (("kitten", "Cat"), ("cup", "Coffee")):
        some = shots(sample, 6)
        folders |= {f"train/{name}": some[::2], f"test/{name}": some[1::2]}
    files_into(page, "A zip of class folders", [zipped(folders)])
    expect(page.get_by_text("3 to learn from, 3 to test with")).to_have_count(2)
    rounds(page, 2)
    train(page)
    tower(page, "small")
    expect(page.get_by_text("What was taught on mini waits there")).to_be_visible()
    expect(page.get_by_text("Done: 2 steps")).to_have_count(0)  # that was the other's
    expect(page.get_by_role("radio", name="As in the paper")).to_be_checked()  # so were its settings
    expect(page.get_by_role("spinbutton", name="Learning rate", exact=True)).to_have_value("0.002")
    settled(page)
    rounds(page, 2)
    train(page)

    # Compare: a run of each, told apart, and maps of both on one photo.
    go(page, "Compare")
    expect(page.get_by_role("combobox", name="Pin A")).to_have_value(re.compile("^GalLoP"))
    expect(page.get_by_role("combobox", name="Pin B")).to_have_value(re.compile("^Zero-shot"))

    # Export: the model names its tower, and no path of this machine.
    page.get_by_role("link", name="Export", exact=True).click()
    with page.expect_download(timeout=2 * PATIENCE) as download:
        page.get_by_role("button", name="Save the model as zip").click()
    download.value.save_as(tmp_path / "model.zip")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "model.zip").read_bytes())) as archive:
        assert json.loads(archive.read("model/gallop.json"))["backbone"] == "small"

    # A reload keeps the tower; the other's prompts are where they were.
    page.goto(page.url)
    page.get_by_role("link", name="Test", exact=True).click()
    expect(page.get_by_role("combobox", name="Tower")).to_have_value("small")
    expect(metric(page, "Right on the 6 test photos")).to_be_visible()
    tower(page, "mini")
    expect(metric(page, "Right on the 6 test photos")).to_be_visible()


@pytest.mark.slow
def test_what_goes_wrong_with_a_tower_is_a_sentence_and_loses_nothing(visit: Any, hub: Hub, server: str) -> None:
    page = visit()
    choose_photo(page, "Cat")
    expect(answer(page)).to_contain_text("cat", timeout=4 * PATIENCE)  # torch and mini are loaded first

    # A visitor who asks for a path.
    separator = "&" if "?" in page.url else "?"
    page.goto(f"{page.url}{separator}tower=/etc/passwd")
    expect(page.get_by_text("is not offered here, so mini goes on to answer")).to_be_visible()
    expect(answer(page)).to_contain_text("cat")

    # A wrong file.
    settled(page)
    tower(page, "ViT-B-16-quickgelu/wrong.safetensors")
    expect(page.get_by_text("holds no weights that can be read safely")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    tower(page, "mini")
    expect(answer(page)).to_contain_text("cat")

    # A download that is cancelled, one of what is not there, and one without a network: nobody answers.
    settled(page)
    page.get_by_text("More towers").click()
    download = page.get_by_role("button", name="Download ViT-B-32/laion2b_s34b_b79k")
    download.click()
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 34 MB are here"))).to_be_visible()
    page.get_by_role("button", name="Cancel this").click()
    expect(page.get_by_text("The download was cancelled; nothing of it was kept.")).to_be_visible()
    expect(answer(page)).to_contain_text("cat")
    for happens, why in ((hub.files.clear, "EntryNotFound"), (hub.leave, "Connect")):
        settled(page)
        happens()
        if not download.is_visible():  # what is said above it may have closed it
            page.get_by_text("More towers").click()
        download.click()
        sentence = re.compile(rf"are not on this machine and could not be downloaded \(\w*{why}")
        expect(page.get_by_text(sentence)).to_be_visible()
        expect(answer(page)).to_contain_text("cat")
