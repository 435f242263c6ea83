"""Every link of the built pages leads somewhere, and none loads anything from another machine.

Sphinx checks what it resolves itself; this reads the pages that came out, so that a link of a theme, of raw HTML or of
a notebook counts as well. A picture that lies elsewhere (the badge of Colab in the notebooks) becomes its
alternative text. Links to other machines are not followed: ``external-links.txt`` beside the pages lists them.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LISTED = "external-links.txt"
_LOGGER = logging.getLogger(__name__)
_LOADED = {"src", "poster"}


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take links and names of an element."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif value and (name in _LOADED or (name == "href" and tag == "link")):
                self.loaded.add(value)
            elif value and name == "href":
                self.links.add(value)


def broken_and_external(folder: Path) -> tuple[list[str], list[str]]:
    """Return a sentence for each link that leads nowhere, and the addresses on other machines, of built pages."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}
    broken, external = [], set()
    for path, page in pages.items():
        for link in sorted(page.links | page.loaded):
            address = urlsplit(link)
            if (address.scheme in ("http", "https") or address.netloc) and link in page.loaded:
                broken.append(f"{path.relative_to(folder)} loads {link} from another machine.")
            elif address.scheme in ("http", "https") or address.netloc:
                external.add(link)
            elif not address.scheme and (trouble := _trouble(path, address.path, unquote(address.fragment), pages)):
                broken.append(f"{path.relative_to(folder)} links to {link}: {trouble}.")
    return broken, sorted(external)


def _trouble(page: Path, path: str, anchor: str, pages: dict[Path, Page]) -> str:
    target = (page.parent / unquote(path)).resolve() if path else page
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "there is no such file"
    if anchor and target in pages and anchor not in pages[target].anchors:
        return "that page has no such place"
    return ""


def _tell_pictures(_: Sphinx, document: nodes.document) -> None:
    for picture in list(document.findall(nodes.image)):
        if urlsplit(picture["uri"]).scheme in ("http", "https"):
            picture.replace_self(nodes.inline("", picture.get("alt", "") or picture["uri"]))


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir).resolve()
    broken, external = broken_and_external(folder)
    for sentence in broken:
        _LOGGER.warning(sentence, type="links")
    (folder / LISTED).write_text("".join(f"{address}\n" for address in external), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Take out pictures of other machines as pages are read, and check when all are written."""
    app.connect("doctree-read", _tell_pictures)
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
