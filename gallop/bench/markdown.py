"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells may hold any text: it stays in its cell."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(safe(text) for text in line)} |" for line in lines)


def safe(text: str) -> str:
    """One line of Markdown without HTML, links or cell borders of its own."""
    line = " ".join(text.split())
    for character in "\\|[]`":
        line = line.replace(character, f"\\{character}")
    return line.replace("&", "&amp;").replace("<", "&lt;")
