"""Join the explainer's modules into the one script that every host runs, so that nobody who uses it needs Node.

``python -m gallop.maps.explainer.join`` after a change in ``src``; a test compares the two byte by byte.
"""

from __future__ import annotations

import re
from pathlib import Path

from gallop.maps.explainer import SCRIPT
from gallop.runtime.writing import write_file

SOURCE = Path(__file__).with_name("src")
_ENTRY = "hosts.js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(?P<name>\w+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)
_TOP_LEVEL = re.compile(
    r"^(?:export )?(?:default )?(?:async )?(?:function|class|const|let|var) (?P<name>[\w$]+)", re.MULTILINE
)
_HEAD = "/* Joined from src/*.js by `python -m gallop.maps.explainer.join`: change those, not this. */\n"


def one_script() -> str:
    """Return the script: each module after those that it imports, in one scope.

    Raises:
        ValueError: two modules give the same name to something, or one holds an import that cannot be joined.
    """
    parts: dict[str, str] = {}
    _add(_ENTRY, parts)
    names = [found["name"] for part in parts.values() for found in _TOP_LEVEL.finditer(part)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"In one script each name stands for one thing; more than one module has {', '.join(twice)}.")
    return _HEAD + "".join(f"\n// {name}\n{part}" for name, part in parts.items())


def _add(name: str, parts: dict[str, str]) -> None:
    if name in parts:
        return
    text = (SOURCE / name).read_text(encoding="utf-8")
    for found in _IMPORT.finditer(text):
        _add(found["name"], parts)
    body = _EXPORT.sub("", _IMPORT.sub("", text))
    if re.search(r"^import ", body, re.MULTILINE):
        raise ValueError(f'{name} imports in a way that cannot be joined; write import {{ a, b }} from "./module.js".')
    parts[name] = re.sub(r"\n{3,}", "\n\n", body)


if __name__ == "__main__":
    write_file(SCRIPT, one_script().encode())
