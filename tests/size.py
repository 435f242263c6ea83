"""How large the project is, and how large it may be: ``python -m tests.size``, which ``make lint`` runs.

Of Python the statements are counted, of scripts and styles for browsers the lines, a long one as several. Exits with 1
where a number is above its ceiling. A change that needs more takes it away elsewhere first.
"""

from __future__ import annotations

import ast
import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINE = 120  # characters
SCRIPTS = "JavaScript and CSS (lines)"
CEILINGS = {
    "gallop": 16_785,
    "app": 7_551,
    "benchmarks": 4_195,
    "notebooks": 2_693,
    "docs": 693,
    "checkpoints": 1_000,
    "tests": 26_904,
    SCRIPTS: 12_710,
}
"""Folders and the most statements each may have, and the most lines of all scripts and styles in them."""


def sizes(root: Path) -> dict[str, int]:
    """Return the numbers that ``CEILINGS`` limits, of the project in a folder."""
    found = dict.fromkeys(CEILINGS, 0)
    for folder in CEILINGS:
        for path in (root / folder).rglob("*"):
            if "fetched" in path.parts:  # what npm fetches
                continue
            if path.suffix == ".py":
                found[folder] += sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(path.read_bytes())))
            elif path.suffix in (".js", ".mjs", ".css"):
                lines = path.read_text(encoding="utf-8").splitlines()
                found[SCRIPTS] += sum(max(math.ceil(len(line) / LINE), 1) for line in lines)
    return found


def main() -> int:
    """Print the table, and return 1 where something is too large."""
    found = sizes(ROOT)
    for name, size in [*found.items(), ("in all", sum(found.values()))]:
        most = CEILINGS.get(name, sum(CEILINGS.values()))
        print(f"{name:28} {size:6} of {most:6}{'   too large' if size > most else ''}")
    return int(any(size > CEILINGS[name] for name, size in found.items()))


if __name__ == "__main__":
    sys.exit(main())
