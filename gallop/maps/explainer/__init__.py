"""The explainer: a photo's cosines in, everything that follows from them worked out where it is looked at.

One script, joined in memory from the modules in ``src``, and one style sheet serve every host: the app, a notebook
(``gallop.maps.explainer.widget``, which needs anywidget) and the HTML report. What they show is a dictionary of plain
values, made by ``gallop.maps.explainer.data``. The same modules make a second script, which goes through the method
step by step (``gallop.maps.explainer.data.steps_data``). Nobody who uses them needs Node.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().with_name("src")
STEPS = "steps/host.js"
STYLE_SHEET = Path(__file__).with_name("explainer.css")
STEPS_STYLE_SHEET = Path(__file__).with_name("steps.css")
"""Goes on top of ``STYLE_SHEET``."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "(?P<path>\.{1,2}/\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_TOP_LEVEL = re.compile(
    r"^(?:export )?(?:default )?(?:async )?(?:function|class|const|let|var) (?P<name>[\w$]+)", re.MULTILINE
)


@cache
def script(entry: str = "hosts.js") -> str:
    """Return an entry and all that it imports as one script, in one scope: each module after those that it imports.

    Args:
        entry: a module of ``src``: "hosts.js" is the explainer, "steps/host.js" the steps of the method.

    Raises:
        ValueError: two modules give the same name to something, or one holds an import that cannot be joined.
    """
    parts: dict[Path, str] = {}
    _add(SOURCE / entry, parts)
    names = [found["name"] for part in parts.values() for found in _TOP_LEVEL.finditer(part)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"In one script each name stands for one thing; more than one module has {', '.join(twice)}.")
    return "".join(f"\n// {path.relative_to(SOURCE).as_posix()}\n{part}" for path, part in parts.items())


def _add(path: Path, parts: dict[Path, str]) -> None:
    if path in parts:
        return
    text = path.read_text(encoding="utf-8")
    for found in _IMPORT.finditer(text):
        _add((path.parent / found["path"]).resolve(), parts)
    body = _EXPORT.sub("", _IMPORT.sub("", text))
    if re.search(r"^import ", body, re.MULTILINE):
        raise ValueError(
            f'{path.name} imports in a way that cannot be joined; write import {{ a, b }} from "./module.js".'
        )
    parts[path] = re.sub(r"\n{3,}", "\n\n", body)
