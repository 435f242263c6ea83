"""What goes wrong with backbones, in a real browser: a path, a wrong file, downloads that fail."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
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
    settled,
)
from tests.conftest import ROOT, serving, visiting
from tests.weight_server import Hub, weight_server

pytestmark = pytest.mark.browser

REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
LARGE = bytes(2**25)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """What stands for the hub on the internet: slow, and its file is no backbone."""
    with weight_server(Hub({f"{REPOSITORY}/open_clip_model.safetensors": LARGE}, pause=0.02)) as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[str]:
    """The app with a small random ViT in a folder, a wrong file, and downloads allowed."""
    folder = tmp_path_factory.mktemp("backbones")
    (folder / "small").mkdir()
    tiny.backbone_folder(folder / "small")
    (folder / "wrong.safetensors").write_bytes(b"no weights at all")
    named = [str(folder / "small"), f"ViT-B-16-quickgelu={folder / 'wrong.safetensors'}"]
    words = ["--allow-downloads", "--backbone-memory", "1", "--backbones", *named]
    command = [sys.executable, "-m", "gallop", "app", "--no-browser", *words, "--port"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.address)
        with serving(folder, command, ROOT) as (address, _):
            yield address


def backbone(page: Page, name: str) -> None:
    choose(page, "Backbone", name)
    expect(page.get_by_role("combobox", name="Backbone")).to_have_value(name)


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Page]:
    with visiting(browser, server) as new_page:
        yield new_page()


@pytest.mark.slow
def test_what_goes_wrong_with_a_backbone_is_a_sentence_and_loses_nothing(page: Page, hub: Hub) -> None:
    choose_photo(page, "Cat")
    expect(answer(page)).to_contain_text("cat", timeout=4 * PATIENCE)  # torch and mini are loaded first

    # A visitor who asks for a path.
    separator = "&" if "?" in page.url else "?"
    page.goto(f"{page.url}{separator}backbone=/etc/passwd")
    expect(page.get_by_text("is not available here. mini is still in use")).to_be_visible()
    expect(answer(page)).to_contain_text("cat")

    # A wrong file.
    settled(page)
    backbone(page, "ViT-B-16-quickgelu/wrong.safetensors")
    expect(page.get_by_text("does not contain weights that can be read safely")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    backbone(page, "mini")
    expect(answer(page)).to_contain_text("cat")

    # A download that is cancelled, one of what is not there, and one without a network: nobody answers.
    settled(page)
    page.get_by_text("More backbones").click()
    download = page.get_by_role("button", name="Download ViT-B-32/laion2b_s34b_b79k")
    download.click()
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 34 MB downloaded"))).to_be_visible()
    page.get_by_role("button", name="Cancel this").click()
    expect(page.get_by_text("The download was cancelled. Nothing was saved.")).to_be_visible()
    expect(answer(page)).to_contain_text("cat")
    for happens, why in ((hub.files.clear, "EntryNotFound"), (hub.leave, "Connect")):
        settled(page)
        happens()
        if not download.is_visible():  # what is said above it may have closed it
            page.get_by_text("More backbones").click()
        download.click()
        sentence = re.compile(rf"are not on this machine and could not be downloaded \(\w*{why}")
        expect(page.get_by_text(sentence)).to_be_visible()
        expect(answer(page)).to_contain_text("cat")
