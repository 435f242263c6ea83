"""Join the explainer's modules into the one script that every host runs, so that nobody who uses it needs Node.

``python -m gallop.maps.explainer.join`` after a change in ``src``; a test compares the two byte by byte. The steps of
the method (``src/steps``) are a script of their own, made of the same modules.
"""

from __future__ import annotations

import re
from pathlib import Path

from gallop.maps.explainer import SCRIPT, STEPS_SCRIPT
from gallop.runtime.writing import write_file

SOURCE = Path(__file__).resolve().with_name("src")
ENTRIES = {SCRIPT: "hosts.js", STEPS_SCRIPT: "steps/host.js"}
"""Of each script the module that imports all others."""
_IMPORT = re.compile(r'^import \{[^}]*\} from "(?P<path>\.{1,2}/\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_TOP_LEVEL = re.compile(
    r"^(?:export )?(?:default )?(?:async )?(?:function|class|const|let|var) (?P<name>[\w$]+)", re.MULTILINE
)
_HEAD = "/* Joined from src by `python -m gallop.maps.explainer.join`: change those, not this. */\n"


def one_script(entry: str = ENTRIES[SCRIPT]) -> str:
    """Return the script of an entry: each module after those that it imports, in one scope.

    Raises:
        ValueError: two modules give the same name to something, or one holds an import that cannot be joined.
    """
    parts: dict[Path, str] = {}
    _add(SOURCE / entry, parts)
    names = [found["name"] for part in parts.values() for found in _TOP_LEVEL.finditer(part)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"In one script each name stands for one thing; more than one module has {', '.join(twice)}.")
    return _HEAD + "".join(f"\n// {path.relative_to(SOURCE).as_posix()}\n{part}" for path, part in parts.items())


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


if __name__ == "__main__":
    for script, entry in ENTRIES.items():
        write_file(script, one_script(entry).encode())
