"""The pages that answer and teach in the browser (``gallop export --web``), written beside those of the site.

It needs the extra ``onnx`` and what ``make web`` fetches. Where these are missing the site is built without it, and
says so in its place; ``-D with_browser_page=0`` leaves it out, which saves half a minute.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gallop.errors import PageError
from gallop.export.web import write
from gallop.export.web.fetch import runtime_files

FOLDERS = {"browser": False, "teach": True}
"""Below the site's, and whether classes are taught there."""


class BrowserPage(SphinxDirective):
    """The link to one, by its folder, or how to get it."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Return a paragraph."""
        if not _wanted(self.env.app):
            words = (
                "These pages were built without it. In a clone, make web fetches what it runs on, and then make docs "
            )
            return [nodes.paragraph("", f"{words}writes it; gallop export --web FOLDER does so without the rest.")]
        place = "../" * self.env.docname.count("/") + self.arguments[0]
        return [nodes.raw("", f'<p><a class="open" href="{place}/index.html">Open the page</a></p>', format="html")]


def _wanted(app: Sphinx) -> bool:
    if not app.config.with_browser_page or find_spec("onnxscript") is None or find_spec("onnxruntime") is None:
        return False
    try:
        runtime_files()
    except PageError:
        return False
    return True


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html" and _wanted(app):
        for folder, teach in FOLDERS.items():
            write(Path(app.outdir) / folder, teach=teach)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive, and write the page before links are checked."""
    app.add_config_value("with_browser_page", default=True, rebuild="env", types=bool)
    app.add_directive("browser-page", BrowserPage)
    app.connect("build-finished", _write, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
