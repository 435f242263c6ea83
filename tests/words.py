"""How many words a visitor sees on each page, empty and with the sample project: ``python -m tests.words``.

Counted are the words that are in sight without a click: of text, labels and buttons, not of charts, tables, pictures,
and not what is folded away or shows when something is pointed at.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browsing import PATIENCE, expect, settled
from tests.conftest import launched, served

_COUNT = """
() => {
  const silent = "svg, canvas, script, style, [data-testid=stIconMaterial], [aria-hidden=true] input, .spoken";
  const words = [];
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) words.push(...node.textContent.match(/\\S*\\p{L}\\S*/gu) ?? []);
    if (node.nodeType === Node.ELEMENT_NODE) {
      const boxless = getComputedStyle(node).display === "contents"; // what is in it may be in sight
      if (node.matches(silent) || (!boxless && !node.checkVisibility())) return;
    }
    for (const child of node.shadowRoot?.childNodes ?? []) walk(child);
    for (const child of node.childNodes) walk(child);
  };
  walk(document.querySelector("[data-testid=stMain]"));
  return words.length;
}
"""


def counted(page: Any) -> dict[str, int]:
    """Words of every page, by what the bar on top calls them."""
    names = [link.inner_text().split("\n")[-1] for link in page.get_by_test_id("stTopNavLink").all()]
    found = {}
    for name in names:
        page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
        title = "GalLoP Explorer" if name == "Explore" else name
        expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
        expect(page.get_by_text("sent to no other machine")).to_be_visible(timeout=2 * PATIENCE)
        settled(page)
        if name == "Method":
            expect(page.get_by_role("tab").first).to_be_visible()  # its words come with its script
        page.wait_for_timeout(1500)
        found[name] = page.evaluate(_COUNT)
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server, launched() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(2 * PATIENCE)
        page.goto(server)
        page.get_by_role("heading", level=1).wait_for()
        empty = counted(page)
        page.get_by_role("link", name="Test", exact=True).click()
        page.get_by_role("button", name="Try it with a sample project").click()
        page.get_by_role("heading", name="Confusions").wait_for()
        filled = counted(page)
    width = max(map(len, empty))
    for name, words in empty.items():
        print(f"{name:{width}} {words:5} words when empty, {filled[name]:5} with the sample")
    print(f"{'all':{width}} {sum(empty.values()):5} words when empty, {sum(filled.values()):5} with the sample")
    return 0


if __name__ == "__main__":
    sys.exit(main())
