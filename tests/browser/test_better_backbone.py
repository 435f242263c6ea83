"""A visitor whose names mini does not know gets a model of TinyCLIP's shape, with random weights, and teaches both."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from gallop.backbones.weights import licence_by_name, offered_backbones
from tests.backbones.test_open_clip_format import LAYOUTS, written
from tests.browser.test_teach import two_cards
from tests.browsing import (
    PATIENCE,
    Page,
    answer,
    choose,
    choose_photo,
    expect,
    go,
    name_classes,
    open_tab,
    rounds,
)
from tests.conftest import ROOT, serving, visiting
from tests.weight_server import Hub, weight_server

SMALL = min(offered_backbones(), key=lambda known: known.bytes)
UNKNOWN = ", ".join(f"{colour} {thing}" for colour in ("mauve", "teal", "ochre") for thing in ("idea", "sum", "rule"))
"""Names of what no photo shows."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with downloads allowed, beside a Hub that has the offered repository with a random model."""
    folder = tmp_path_factory.mktemp("better")
    written(folder / "model", LAYOUTS["TinyCLIP"])
    files = {
        f"{SMALL.name.removeprefix('hf-hub:')}/{path.name}": path.read_bytes() for path in (folder / "model").iterdir()
    }
    command = [sys.executable, "-m", "gallop", "app", "--no-browser", "--allow-downloads", "--port"]
    with weight_server(Hub(files)) as hub, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.address)
        with serving(folder, command, ROOT) as (address, _):
            yield address


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Page]:
    with visiting(browser, server) as new_page:
        yield new_page()


def train(page: Page) -> None:
    rounds(page, 2, "Quick")  # with views that are encoded once
    page.get_by_role("button", name=re.compile("^Train")).click()
    expect(page.get_by_text(re.compile(r"Done: \d+ steps on 6 photos"))).to_be_visible(timeout=6 * PATIENCE)


@pytest.mark.slow
def test_a_better_backbone_is_offered_fetched_taught_and_changed_back(page: Page) -> None:
    assert str(licence_by_name(SMALL.name)) == "MIT"
    choose_photo(page, "Cat")
    expect(answer(page)).to_contain_text("cat", timeout=4 * PATIENCE)
    offer = page.get_by_text(f"A better model, {SMALL.bytes / 1e6:.0f} MB, MIT")
    expect(offer).to_have_count(0)
    name_classes(page, UNKNOWN)
    expect(offer).to_be_visible(timeout=4 * PATIENCE)
    expect(page.get_by_role("link", name="MIT", exact=True).first).to_have_attribute("href", SMALL.licence.source)

    page.get_by_role("button", name="Download it").click()
    expect(page.get_by_text("was downloaded and is now selected.")).to_be_visible(timeout=4 * PATIENCE)
    expect(page.get_by_role("combobox", name="Backbone")).to_have_value(SMALL.name)
    expect(offer).to_have_count(0)
    expect(answer(page)).to_contain_text("%", timeout=4 * PATIENCE)

    go(page, "Teach")
    two_cards(page)
    train(page)
    choose(page, "Backbone", "mini")
    expect(page.get_by_text("they do not work with the backbone chosen here")).to_be_visible()
    train(page)
    go(page, "Test")
    open_tab(page, "Runs")
    for name in (SMALL.name, "mini"):
        expect(page.get_by_text(name, exact=True).first).to_be_attached()  # cells of the table are drawn, not written
    go(page, "Teach")
    choose(page, "Backbone", SMALL.name)
    expect(page.get_by_role("button", name="Train again")).to_be_visible()
