"""Words and tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> str:
    """A table whose cells may hold any text: it stays in its cell.

    Args:
        names: how many columns at the left hold words, not figures.
    """
    rule = ["---"] * names + ["---:"] * (len(head) - names)
    return "\n".join(f"| {' | '.join(map(safe, line))} |" for line in (head, rule, *rows))


def safe(text: str) -> str:
    """One line of Markdown without HTML, links or cell borders of its own."""
    line = " ".join(text.split())
    for character in "\\|[]`":
        line = line.replace(character, f"\\{character}")
    return line.replace("&", "&amp;").replace("<", "&lt;")


def counted(number: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "shot"), counted(2, "shot")
    ('1 shot', '2 shots')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"
