"""Words and tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from gallop.documents.markdown import markdown_line


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> Markup:
    """Return a table whose cells may hold any text: it stays in its cell.

    Args:
        names: how many columns at the left hold words, not figures.
    """
    rule = ["---"] * names + ["---:"] * (len(head) - names)
    return Markup("\n".join(f"| {' | '.join(map(markdown_line, line))} |" for line in (head, rule, *rows)))


def counted(number: int, what: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "shot"), counted(2, "shot")
    ('1 shot', '2 shots')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"
