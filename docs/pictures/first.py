"""The picture that stands on Explore until it is drawn, taken of the living one: ``python -m docs.pictures.first``.

To be taken again when the explainer draws, or the first sample's answer is, something else; a test holds the two equal.
"""

from __future__ import annotations

import base64
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from app.ui.explore.waiting import PICTURE
from gallop.runtime.writing import write_file
from tests.browsing import answer, expect, settled
from tests.conftest import ROOT, launched, served, visiting

PNG = re.compile(r"data:image/png;base64,([\w+/=]+)")
WINDOW: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 2}
"""What is drawn finely can be shown small, too."""
_TAKEN = """
(root) => {
  const copy = root.cloneNode(true);
  copy.removeAttribute("data-answer");
  const [living, taken] = [root, copy].map((top) => [...top.querySelectorAll("*")]);
  living.forEach((node, i) => {
    const here = taken[i];
    if (!node.checkVisibility() || node.matches(".cells, .cells *, .spoken")) return here.remove();
    for (const { name } of [...here.attributes])
      if (!["class", "style", "type", "min", "max", "aria-pressed"].includes(name)) here.removeAttribute(name);
    if (node.matches("input")) here.setAttribute("value", node.value);
    if (node.matches("select")) {
      here.replaceChildren(document.createElement("option"));
      here.firstChild.textContent = node.selectedOptions[0].text;
    }
    if (node.matches("canvas"))
      Object.assign(here.style, { backgroundImage: `url(${node.toDataURL()})`, backgroundSize: "100% 100%" });
    if (node.matches(".photo")) here.setAttribute("src", "$photo");
  });
  return copy.outerHTML.replaceAll("&quot;", "'");
}
"""


def taken(page: Any) -> str:
    """What the explainer of a page shows, as HTML that no script needs: ``$photo`` stands for the photo."""
    expect(answer(page)).to_contain_text("%")
    settled(page)
    picture: str = page.locator(".explainer").evaluate(_TAKEN)
    return f"{PNG.sub(_packed, picture)}\n"


def _packed(found: re.Match[str]) -> str:
    """Return a PNG of Chromium's as a WebP of the same pixels, in half the bytes."""
    packed = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(found[1]))).save(packed, "WEBP", lossless=True, quality=100, method=6)
    return f"data:image/webp;base64,{base64.b64encode(packed.getvalue()).decode()}"


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as server,
        launched() as browser,
        visiting(browser, server) as new_page,
    ):
        write_file(PICTURE, taken(new_page(**WINDOW)).encode())
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
