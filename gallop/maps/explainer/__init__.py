"""The explainer: a photo's cosines in, everything that follows from them computed in the browser.

One script, joined in memory from the modules in ``src``, and one style sheet serve every host: the app, a notebook
(``gallop.maps.explainer.widget``, which needs anywidget) and the HTML report. What they show is a dictionary of plain
values, made by ``gallop.maps.explainer.payload``. The same modules make a second script, which goes through the method
step by step (``gallop.maps.explainer.payload.steps_data``). Using them does not need Node.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().with_name("src")
STEPS = "steps/host.js"
STYLE_SHEET = Path(__file__).with_name("explainer.css")
STEPS_STYLE_SHEET = Path(__file__).with_name("steps.css")
"""Loaded after ``STYLE_SHEET``."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "(?P<path>\.{1,2}/\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


@cache
def script(entry: str = "hosts.js") -> str:
    """Return an entry and all that it imports as one script, in one scope: each module after those that it imports.

    Args:
        entry: a module of ``src``: "hosts.js" is the explainer, "steps/host.js" the steps of the method.
    """
    parts: dict[Path, str] = {}
    _add(SOURCE / entry, parts)
    return "".join(f"\n// {path.relative_to(SOURCE).as_posix()}\n{part}" for path, part in parts.items())


def _add(path: Path, parts: dict[Path, str]) -> None:
    if path in parts:
        return
    text = path.read_text(encoding="utf-8")
    for statement in _IMPORT.finditer(text):
        _add((path.parent / statement["path"]).resolve(), parts)
    parts[path] = re.sub(r"\n{3,}", "\n\n", _EXPORT.sub("", _IMPORT.sub("", text)))
