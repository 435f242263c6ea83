"""The page for browsers compared with the library: how often answers differ, and how long a visitor waits, in Chromium.

    python -m benchmarks.web DATA [--photos 200] [--write]     # DATA: folder of photo sets; test folders are read

Photos are asked three times: by the pixels that the library decodes, by their files, which a browser decodes itself,
and by files of the same photos at 600 pixels, which are resized, too. Needs ``make web``, the extra ``onnx``,
playwright and a Chromium.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import base64
import datetime
import io
import json
import shutil
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.measure import machine
from benchmarks.report import README, replace_between
from gallop import GalLoPClassifier, load_image
from gallop.export.web import write
from gallop.images import list_images
from gallop.lab.bench.photos import set_folders
from gallop.names.class_names import folder_to_name
from tests.http_server import served_folder

BEGIN, END = "<!-- web: begin -->", "<!-- web: end -->"
_SHORT = 600
_KINDS = ("pixels", "files", f"files of {_SHORT} pixels")
_DEEDS = (
    ("a photo, from its click to the map", "photo", 20),
    ("another name", "name", 10),
    ("k, from a move to the picture (a frame at 60 Hz is 16.7)", "k", 60),
)

_PREPARED = """
async (names) => {
  const part = (name) => import(`./${name}.js`);
  const [{ facts, large }, { Encoders }] = [await part("src/files"), await part("src/encoders")];
  const [{ Texts }, { explained }] = [await part("src/cosines"), await part("src/shown")];
  const [{ Take }, { opened, pixelsOf }] = [await part("explainer/numerics"), await part("src/photo")];
  const model = await facts();
  if (!window.encoders) {
    window.encoders = new Encoders();
    await window.encoders.start(model, await large(model, () => {}));
  }
  const { features } = await window.encoders.texts(names.map((name) => model.templates[0].replace("{}", name)));
  const texts = new Texts(features, names.length, model.width, [0, 0, 0, 0], [0, 0, 0, 0]);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  window.answer = async (photo) => {
    const { looks } = await window.encoders.look(photo);
    const data = explained(model, names, looks, texts, { photo: "", ratio: 1, crop: [0, 0, 1, 1] });
    return Array.from(new Take(data, data.takes[0]).answer(model.topk).probabilities);
  };
  window.ofPixels = ({ rgba, width, height }) => window.answer({ rgba: bytes(rgba), width, height });
  window.ofFile = async (file) => window.answer(pixelsOf(await opened(new Blob([bytes(file)]))));
}
"""

_TIMED = """
async (given) => {
  const root = document.querySelector(".explainer");
  const range = root.querySelector(".k .track-range");
  const deeds = {
    photo: (i) => document.querySelectorAll("#samples button")[i % 4].click(),
    name: (i) => {
      document.querySelector("#more").value = `thing number ${i}`;
      document.querySelector("form.more").requestSubmit();
    },
    k: (i) => {
      range.value = 500 + 150 * i;
      range.dispatchEvent(new Event("input", { bubbles: true }));
    },
  };
  const took = [];
  for (let i = 0; i < given.times; i++) {
    const painted = new Promise((done) => root.addEventListener("painted", done, { once: true }));
    const begun = performance.now();
    deeds[given.deed](i);
    await painted;
    took.push(performance.now() - begun);
  }
  return took;
}
"""
"""Measure from an action of the visitor to the picture that shows it."""


@dataclass(frozen=True)
class Apart:
    """How answers of the page are from the library's, of photos that are named."""

    labels: int
    largest: float
    photos: int

    @property
    def words(self) -> str:
        return f"{self.labels} of {self.photos} | {self.largest:.1e}"


def answers(page: Page, data: Path, count: int) -> dict[str, Apart]:
    """By what the page was given: photos spread over the test folders of all sets."""
    sets = set_folders(data)
    answer_pairs: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {kind: [] for kind in _KINDS}
    for folder in sets.values():
        there, each = list_images(folder / "test", recursive=True), max(count // len(sets), 1)
        paths = there[:: max(len(there) // each, 1)][:each]
        names = sorted({folder_to_name(path.parent.name) for path in there})
        classifier = GalLoPClassifier(device="cpu", cache=False).zero_shot(names)
        page.evaluate(_PREPARED, list(classifier.classes_))
        for path in paths:
            file = path.read_bytes()
            for kind, given in zip(_KINDS, (file, file, _enlarged(file)), strict=True):
                image = load_image(given).image
                ours = np.array(list(classifier.explain(image).probabilities.values()))
                theirs = page.evaluate(*(_by_pixels(image) if kind == _KINDS[0] else _by_file(given)))
                answer_pairs[kind].append((ours, np.array(theirs)))
    return {
        what: Apart(
            sum(int(ours.argmax() != theirs.argmax()) for ours, theirs in pairs),
            max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs),
            len(pairs),
        )
        for what, pairs in answer_pairs.items()
    }


def _by_pixels(image: Image.Image) -> tuple[str, Any]:
    rgba = base64.b64encode(np.asarray(image.convert("RGBA")).tobytes()).decode()
    return "(given) => window.ofPixels(given)", {"rgba": rgba, "width": image.width, "height": image.height}


def _by_file(file: bytes) -> tuple[str, Any]:
    return "(file) => window.ofFile(file)", base64.b64encode(file).decode()


def _enlarged(file: bytes) -> bytes:
    image, stream = load_image(file).image, io.BytesIO()
    times = _SHORT / min(image.size)
    image.resize((round(image.width * times), round(image.height * times))).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def times(browser: Browser, address: str) -> dict[str, float]:
    """In milliseconds, of a visitor on this machine."""
    page = browser.new_context().new_page()
    took: dict[str, float] = {}
    for visit in ("first visit, to the first answer", "second visit, to the first answer"):
        page.goto("about:blank")
        begun = datetime.datetime.now()
        page.goto(address)
        page.wait_for_selector(".explainer .best")
        took[visit] = (datetime.datetime.now() - begun).total_seconds() * 1000
        page.wait_for_selector("body[data-offline]")
    for what, deed, count in _DEEDS:
        took[what] = statistics.median(page.evaluate(_TIMED, {"deed": deed, "times": count}))
    page.context.close()
    return took


def report(apart: dict[str, Apart], took: dict[str, float], sizes: dict[str, int]) -> str:
    large = {"vision.onnx": "image encoder", "text.onnx": "text encoder", "wasm": "onnxruntime-web", "merges": "tokens"}
    parts = [
        f"{what} {sum(size for name, size in sizes.items() if word in name) / 1e6:.1f} MB"
        for word, what in large.items()
    ]
    lines = [
        f"{datetime.date.today()}, {machine()}; one thread of WebAssembly in Chromium. The folder has "
        f"{sum(sizes.values()) / 1e6:.1f} MB: {', '.join(parts)}.",
        "",
        "| the page was given | another label | largest difference of a probability |",
        "|---|---|---|",
        *(f"| {what} | {one.words} |" for what, one in apart.items()),
        "",
        "| what a visitor waits for (median) | ms |",
        "|---|---|",
        *(f"| {what} | {value:.{1 if value < 20 else 0}f} |" for what, value in took.items()),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gallop-") as folder, sync_playwright() as playwright:
        sizes = write(folder)
        chromium: Any = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with served_folder(Path(folder)) as address:
            took = times(browser, address)
            page = browser.new_page()
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
            apart = answers(page, options.data, options.photos)
        browser.close()
    text = report(apart, took, sizes)
    print(text, json.dumps({what: vars(one) for what, one in apart.items()}), sep="\n\n")
    if options.write:
        replace_between(README, BEGIN, END, text)


if __name__ == "__main__":
    main()
