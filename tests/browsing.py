"""What the browser tests share: photos to upload, and the app's widgets by their names."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest
from PIL import Image

from gallop import load_image

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as TimeoutError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from app.photos import sample_answers
from tests.conftest import leave_out_without
from tests.nasty_images import encode
from tests.tiny import zip_of

PATIENCE = 60_000  # ms; the first answer waits for torch and the model, on a busy machine
TITLES = {"Explore": "GalLoP Explorer"}
"""Headings of pages that are not their names."""
HOSTILE = "![x](http://example.invalid/x.png)"
expect.set_options(timeout=PATIENCE)

ASKED = BackMsg.DESCRIPTOR.fields_by_name["rerun_script"]
"""What a page sends to be drawn again, and the fields of that by which a part of it is: such a wish may be dropped."""
PARTS = [ASKED.message_type.fields_by_name[name].number for name in ("fragment_id", "is_auto_rerun")]
BEGUN, ENDED = (ForwardMsg.DESCRIPTOR.fields_by_name[name].number for name in ("new_session", "script_finished"))
EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN
RUNS = f"""
(() => {{
  const runs = (window.runs = {{ asked: 0, waiting: false, begun: false, quiet: 0 }});
  const heard = new WeakSet();
  const fields = (bytes) => {{
    const found = {{}};
    let at = 0;
    const varint = () => {{
      let value = 0;
      for (let factor = 1, byte = 128; byte > 127; factor *= 128) value += ((byte = bytes[at++]) & 127) * factor;
      return value;
    }};
    while (at < bytes.length) {{
      const tag = varint(), number = varint();
      found[tag >> 3] = tag & 7 ? bytes.subarray(at, (at += number)) : number;
    }}
    return found;
  }};
  const {{ send }} = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {{
    const asked = fields(new Uint8Array(data))[{ASKED.number}];
    if (asked && !{PARTS}.some((part) => fields(asked)[part]?.length ?? fields(asked)[part]))
      Object.assign(runs, {{ asked: runs.asked + 1, waiting: true, begun: false, quiet: 0 }});
    if (!heard.has(this)) this.addEventListener("message", ({{ data }}) => {{
      const told = fields(new Uint8Array(data));
      runs.begun ||= {BEGUN} in told;
      if (runs.begun && (told[{ENDED}] ?? {EARLY}) !== {EARLY}) runs.waiting = false;
    }});
    heard.add(this);
    return send.call(this, data);
  }};
}})();
"""
"""A script for a page of Streamlit: counts the runs that it has asked for, and knows whether the last one is over."""
SETTLED = """() => {
  const state = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState;
  const runs = (window.runs ??= { quiet: 0 });
  const still = state === "notRunning" && !runs.waiting && !document.querySelector('[data-stale="true"]');
  return (runs.quiet = still ? runs.quiet + 1 : 0) > 2;
}"""
"""In three frames in a row: what was received is drawn in the next."""


@contextmanager
def alone(browser: Any, width: int = 1000, height: int = 900, **settings: Any) -> Iterator[Page]:
    """A page that no server sends; it may ask nobody for anything, and no script of it may fail."""
    context = browser.new_context(viewport={"width": width, "height": height}, **settings)
    page = context.new_page()
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not [url for url in requests if not url.startswith(("blob:", "data:", "about:", "file:"))]
    assert not errors


def lone_page(browser: Any) -> Iterator[Page]:
    """A page for one test: ``page = pytest.fixture(lone_page)``."""
    with alone(browser) as page:
        yield page


def axe_faults(page: Page, context: str | None = None) -> list[str]:
    """What axe finds wrong inside an element that a selector finds, or on the page: a line for each rule and element.

    It begins with the rule, and ends with what is wrong.
    """
    leave_out_without("" if find_spec("axe_playwright_python") else "axe-playwright-python is not installed")
    from axe_playwright_python.sync_playwright import Axe

    return [
        f"{rule['id']}: {node['html']} " + " ".join(check["message"] for check in node["any"] + node["all"])
        for rule in Axe().run(page, context=context).response["violations"]
        for node in rule["nodes"]
    ]


def photo(sample: str) -> Image.Image:
    return load_image(sample_answers.available_samples()[sample]).image


def upload(name: str, image: Image.Image, form: str = "JPEG", **options: object) -> dict[str, Any]:
    return {"name": name, "mimeType": f"image/{form.lower()}", "buffer": encode(image, form, **options)}


def shots(sample: str, count: int) -> list[dict[str, Any]]:
    """Different pieces of one sample photo."""
    image = photo(sample)
    side = min(image.size) * 2 // 3
    corners = [((image.width - side) * i // (count - 1), (image.height - side) * (i % 2)) for i in range(count)]
    pieces = (image.resize((160, 160), box=(x, y, x + side, y + side)) for x, y in corners)
    return [upload(f"{sample} {i}.jpg", piece) for i, piece in enumerate(pieces)]


def files_into(page: Page, label: str, files: list[Any]) -> None:
    """Put files, or what ``upload`` makes of pictures, into an uploader."""
    page.get_by_test_id("stFileUploader").filter(has_text=label).locator("input[type=file]").set_input_files(files)


def zipped(folders: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Files by their folder, as one zip to upload."""
    members = {f"{folder}/{file['name']}": file["buffer"] for folder, files in folders.items() for file in files}
    return {"name": "photos.zip", "mimeType": "application/zip", "buffer": zip_of(members)}


def open_sample(page: Page) -> None:
    """Put the sample project in, on the page Test, until its model answers."""
    go(page, "Test")
    page.get_by_role("button", name="Load a sample project").click()
    expect(metric(page, re.compile("Accuracy on"))).to_contain_text("%", timeout=4 * PATIENCE)  # torch and mini first


def go(page: Page, name: str) -> None:
    """To another page, until it is whole."""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=TITLES.get(name, name), exact=True, level=1)).to_be_visible()
    settled(page)


def open_tab(page: Page, name: str) -> None:
    """Of the page Test or Evidence, until what it holds is drawn."""
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
    settled(page)


def open_menu(page: Page, name: str) -> None:
    """Of the first line of a page; one that is open closes when something above it comes or goes: then once more."""
    settled(page)
    page.get_by_role("button", name=name, exact=True).click()


def take_away(page: Page) -> Any:
    """Open the dialog with what there is as files, and return it."""
    open_menu(page, "Take away")
    dialog = page.get_by_role("dialog", name="Take away")
    expect(dialog.get_by_role("heading", name="This model")).to_be_visible()
    settled(page)
    return dialog


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def drag(page: Page, start: tuple[float, float], *way: tuple[float, float]) -> None:
    """Hold the mouse from a place on, and let go at the last one of a way."""
    page.mouse.move(*start)
    page.mouse.down()
    for place in way:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def reads(page: Page, *words: str | re.Pattern[str]) -> None:
    """Wait until all of these are to be read on the page."""
    for each in words:
        expect(page.get_by_text(each)).to_be_visible()


def metric(page: Page, label: str | re.Pattern[str]) -> Any:
    """Its value; while the page is drawn, the old one may still stand beside the new one."""
    drawn = page.locator('[data-testid="stElementContainer"][data-stale="false"]').get_by_test_id("stMetric")
    return drawn.filter(has_text=label).get_by_test_id("stMetricValue")


def name_classes(page: Page, words: str) -> None:
    """On Explore: these class names, with commas between them, in place of those that are there."""
    field = page.get_by_role("combobox", name="What might it be?")
    settled(page)
    chips = page.get_by_test_id("stMultiSelect").locator("[data-tag]")
    field.click()
    while chips.count():
        before = chips.count()
        field.press("Backspace")
        expect(chips).to_have_count(before - 1)
        settled(page)
    field.fill(words)
    field.press("Enter")
    field.press("Escape")
    expect(chips.first).to_be_visible()
    settled(page)


def choose_photo(page: Page, name: str, answered: str = "") -> None:
    """On Explore: one of the strip, until it is answered so."""
    page.get_by_role("group", name="Photos").get_by_role("button", name=name, exact=True).click()
    expect(answer(page)).to_contain_text(answered)


def answer(page: Page) -> Any:
    """The most probable class and its share: of the explainer, on a page that has one."""
    return page.locator(".explainer .best").or_(metric(page, "Most probable"))


def limit_track(page: Page) -> Any:
    """On Test: what the threshold for none of these is moved with."""
    return page.get_by_role("slider", name="Threshold, strict to lenient")


def figure(score: float) -> str:
    """A score as pages write it."""
    return f"{score:.4f}".replace("-", "\u2212")


def number(words: str) -> float:
    found = re.search(r"-?\d+\.\d+", words)
    assert found is not None, words
    return float(found.group())


def rounds(page: Page, epochs: int, way: str = "Custom") -> None:
    """Open the settings of the page Teach, which come with a first training, and set how often the photos are gone
    through: 500 times at most.

    All other settings are those of a way to teach.
    """
    settled(page)
    if page.get_by_text("All settings").count() == 0:
        page.get_by_role("button", name="Train", exact=True).click()
        expect(page.get_by_text("Done:")).to_be_visible(timeout=2 * PATIENCE)
        settled(page)
    if page.locator("details[open]").filter(has_text="All settings").count() == 0:
        page.get_by_text("All settings").click()
    for option in (way, "Custom"):
        pick(page, option)
    field = page.get_by_role("spinbutton", name="Rounds")
    expect(field).to_be_enabled()
    field.fill(str(epochs))
    field.press("Enter")


def pick(page: Page, option: str) -> None:
    """Choose one of a few by its label, since what is drawn of a radio button lies over it; once it stands still.

    A click is lost where a part of the page that is drawn by itself comes again just then: so once more.
    """
    found = page.get_by_role("radio", name=option, exact=True)
    end = time.monotonic() + PATIENCE / 1000
    while not found.is_checked():
        assert time.monotonic() < end, f"{option!r} cannot be chosen"
        settled(page)
        found.locator("xpath=ancestor::label[1]").click()
        settled(page)
    expect(found).to_be_checked()


def settled(page: Page) -> None:
    """Wait until the last run that the page asked for is over, none is under way, and all that it sent is drawn."""
    page.wait_for_function(SETTLED, timeout=PATIENCE)


@contextmanager
def told(page: Page) -> Iterator[None]:
    """What is done inside is told to the server sooner or later: wait until the page has asked for a run and had it."""
    before = page.evaluate("runs.asked")
    yield
    page.wait_for_function("before => runs.asked > before", arg=before)
    settled(page)


def next_frame(page: Page) -> None:
    """Wait until what a script has asked the next frame to draw is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def options_of(page: Page, label: str) -> list[str]:
    """Open a list of choices and read it. One that is open closes when the page is drawn again: then once more."""
    box = page.get_by_role("combobox", name=label, exact=True)
    end = time.monotonic() + PATIENCE / 1000
    # Of the list alone: the explainer's menus have options, too.
    while not any(options := page.get_by_role("listbox").get_by_role("option").all_inner_texts()):
        assert time.monotonic() < end, f"the list {label!r} does not stay open"
        settled(page)
        # An open list closes when the page scrolls, and the scroll of a click is told only after the click.
        box.scroll_into_view_if_needed()
        next_frame(page)
        box.click()
        page.wait_for_timeout(300)
    return list(options)


def choose(page: Page, label: str, option: str | re.Pattern[str]) -> None:
    """Pick the first option of a list that bears this name, in full where it is a string."""
    options_of(page, label)
    page.get_by_role("option", name=option, exact=isinstance(option, str)).first.click()
