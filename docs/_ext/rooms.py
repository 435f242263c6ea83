"""The rooms of the code, drawn from the contracts in ``pyproject.toml``: ``{rooms} gallop``."""

from __future__ import annotations

import ast
import html
import sys
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


class Rooms(SphinxDirective):
    """The floors of a package, the highest first, each room with the first sentence of its docstring."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[Node]:
        """Return them as a picture of boxes."""
        self.env.note_dependency("pyproject.toml")
        package = self.arguments[0]
        floors = [
            f'<div class="floor">{"".join(_room(package, room) for room in floor)}</div>' for floor in _floors(package)
        ]
        words = f"The rooms of {package}, each on those that it may import from."
        return [
            nodes.raw("", f'<div class="rooms" role="img" aria-label="{words}">{"".join(floors)}</div>', format="html")
        ]


def _floors(package: str) -> list[list[str]]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers" and each["containers"] == [package])
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def _room(package: str, room: str) -> str:
    place = ROOT / package / room
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    summary = (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").split("\n\n")[0]
    sentence = " ".join(summary.split()).split(". ")[0].rstrip(".").replace("``", "")
    return f'<div class="room"><b>{html.escape(room)}</b> <span>{html.escape(sentence)}</span></div>'


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("rooms", Rooms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
