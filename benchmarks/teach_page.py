"""The page that teaches, with a camera: frames a second, and the time from a frame to its map, in Chromium.

    python -m benchmarks.teach_page [--seconds 20]

Alone, as a server sends it with the two headers that let it use further cores, without them, and in a frame of a page
of another origin. The camera is a film of the sample's photos, moved and enlarged a little. Needs ``make web``, the
extra ``onnx``, playwright and a Chromium.
"""

from __future__ import annotations

from gallop.runtime.process import prepare

prepare()

import argparse
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Frame, sync_playwright

from benchmarks.measure import machine
from gallop.export.web import write
from gallop.sample import sample_photos
from tests.http_server import StaticFiles, listening, served_folder

_SIZE = 640, 480
_RATE = 15
"""Frames a second of the film."""
_LASTS = 20
"""Frames of each photo."""

_COUNTED = """
() => {
  window.delays = [];
  document.addEventListener("painted", ({ detail }) => {
    if (detail !== undefined) requestAnimationFrame(() => window.delays.push(performance.now() - detail));
  });
}
"""


def write_film(path: Path, photos: int = 12) -> None:
    """Write a film (YUV4MPEG2) of the sample's photos to test with, which Chromium takes for its camera."""
    width, height = _SIZE
    paths = [photo.path for photo in sample_photos() if photo.part == "test"]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{_RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for source in paths[:: max(len(paths) // photos, 1)][:photos]:
            image = Image.open(source).convert("RGB")
            for step in range(_LASTS):
                side = height + 4 * step
                shown = Image.new("RGB", _SIZE, (90, 90, 95))
                shown.paste(image.resize((side, side)), ((width - side) // 2 + 2 * step, (height - side) // 2))
                planes = shown.convert("YCbCr").split()
                halved = [plane.resize((width // 2, height // 2), Image.Resampling.BOX) for plane in planes[1:]]
                file.write(b"FRAME\n" + b"".join(np.asarray(plane).tobytes() for plane in (planes[0], *halved)))


class Isolated(StaticFiles):
    """Sends the headers that let a page have threads that share memory."""

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


def frames(page: Frame, seconds: float) -> dict[str, float]:
    """How many a second, and the milliseconds from taking a frame to the picture with its map."""
    page.evaluate("() => void (window.delays.length = 0)")
    begun = time.perf_counter()
    page.wait_for_timeout(1000 * seconds)
    delays = page.evaluate("() => window.delays")
    took = time.perf_counter() - begun
    p50, p95 = (round(float(value)) for value in np.percentile(delays, [50, 95]))
    return {"frames a second": round(len(delays) / took, 1), "frame to map, p50 ms": p50, "frame to map, p95 ms": p95}


def record(page: Frame, name: str, seconds: float) -> None:
    """Hold the button of a class."""
    button = page.get_by_role("button", name=f"Hold to record photos of {name}")
    button.focus()
    page.page.keyboard.down(" ")
    page.wait_for_timeout(1000 * seconds)
    page.page.keyboard.up(" ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gallop-") as work, sync_playwright() as playwright:
        folder, film = Path(work, "page"), Path(work, "film.y4m")
        write(folder, teach=True)
        write_film(film)
        chromium: Any = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        arguments = ["--no-sandbox", *fake, f"--use-file-for-fake-video-capture={film}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        isolated = partial(Isolated, directory=str(folder))
        print(machine())
        with served_folder(Path(work)) as around, served_folder(folder) as plain, listening(isolated) as server:
            Path(work, "around.html").write_text(f'<iframe src="{plain}" allow="camera" width="1200" height="700">')
            ways = {"with both headers": server.address, "without them": plain, "in a frame": f"{around}around.html"}
            for way, address in ways.items():
                page = browser.new_page()
                page.goto(address)
                shown = page.frames[-1]
                shown.wait_for_selector("body[data-ready]")
                shown.get_by_role("button", name="Turn on camera").click()
                shown.wait_for_timeout(2000)
                shown.evaluate(_COUNTED)
                print(way, "names alone:", frames(shown, options.seconds))
                record(shown, "teapot", 3)
                record(shown, "mug", 3)
                print(way, "taught:", shown.locator(".count").all_inner_texts(), frames(shown, options.seconds))
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
