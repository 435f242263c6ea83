"""The moving picture of README and documentation: ``python -m docs.pictures.moving`` takes it, with the sample project.

To be taken again when the pages it shows look otherwise: Explore, where k follows a hand and another class is chosen;
Teach, where prompts learn; Test, with the threshold for "none of these".
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from gallop.runtime.writing import write_file
from tests.browsing import PATIENCE, answer, expect, go, limit_track, open_tab, settled
from tests.conftest import ROOT, launched, served

PICTURE = ROOT / "docs" / "app.webp"
WINDOW = {"width": 1280, "height": 900}
SIZE = (960, 675)
QUALITY = 70
Frame = tuple[Image.Image, int]
"""And for how many milliseconds it stays."""


def frames(page: Any, server: str) -> Iterator[Frame]:
    """What a visitor sees in the first minute."""

    def seen(milliseconds: int) -> Frame:
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        return picture.resize(SIZE, Image.Resampling.LANCZOS), milliseconds

    page.goto(f"{server}/teach")
    page.get_by_role("button", name="Load a sample project").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(answer(page)).to_contain_text("%")
    settled(page)
    yield seen(1600)
    k = page.get_by_label("Local prompt 1: its k best regions")
    for regions in (7, 10, 14, 20, 30, 45, 70, 45, 20, 10, 5):
        k.fill(str(regions))
        page.wait_for_timeout(60)
        yield seen(180)
    page.locator("button.bar").nth(1).click()
    page.wait_for_timeout(200)
    yield seen(1500)
    page.locator("button.bar").first.click()
    go(page, "Teach")
    settled(page)
    yield seen(1200)
    page.get_by_role("button", name="Train again", exact=True).click()
    for _ in range(16):
        page.wait_for_timeout(300)
        yield seen(220)
    expect(page.get_by_role("button", name="Train again", exact=True)).to_be_enabled(timeout=4 * PATIENCE)
    settled(page)
    yield seen(1400)
    go(page, "Test")
    open_tab(page, "None of these")
    expect(limit_track(page)).to_be_visible(timeout=PATIENCE)
    settled(page)
    limit_track(page).scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    yield seen(2200)


def joined(taken: list[Frame]) -> bytes:
    """One WebP that begins again at its end."""
    first, *rest = [picture for picture, _ in taken]
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=rest,
        duration=[milliseconds for _, milliseconds in taken],
        loop=0,
        quality=QUALITY,
        method=6,
    )
    return file.getvalue()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server, launched() as browser:
        page = browser.new_context(viewport=WINDOW, color_scheme="light").new_page()
        page.set_default_timeout(PATIENCE)
        write_file(PICTURE, joined(list(frames(page, server))))
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 2**20:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
