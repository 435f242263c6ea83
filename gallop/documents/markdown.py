"""Text of strangers inside Markdown: in a sentence, in a line, in a table. HTML is escaped by the templates."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

# Where CommonMark, GitHub or Streamlit would take what follows for markup: some only at the beginning of a line.
_MARKUP = re.compile(r"^\d*(?=[-+.)](?:\s|$))|^(?=#|=|-{2})|(?<=www)(?=\.)|(?=[\\`*_\[\]<>|~&$@])|(?=:\S)")
_IN_A_LINE = str.maketrans({character: f"\\{character}" for character in "\\|[]`"} | {"&": "&amp;", "<": "&lt;"})


def plain_markdown(text: str) -> str:
    r"""Return text inside Markdown: shown as it is, without any markup.

    >>> print(plain_markdown("- *a* [b], 1.5 x c-d: www.e.org"))
    \- \*a\* \[b\], 1.5 x c-d: www\.e.org
    """
    return _MARKUP.sub(r"\g<0>\\", " ".join(text.split()))


def markdown_line(text: str) -> str:
    r"""Return one line of Markdown without HTML, links or cell borders, to be read unrendered too.

    >>> print(markdown_line("**a** | <b>"))
    **a** \| &lt;b>
    """
    return " ".join(text.split()).translate(_IN_A_LINE)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> Markup:
    """Return a table whose cells may hold any text: it stays in its cell.

    Args:
        names: how many columns at the left hold words, not figures.
    """
    rule = ["---"] * names + ["---:"] * (len(head) - names)
    return Markup("\n".join(f"| {' | '.join(map(markdown_line, line))} |" for line in (head, rule, *rows)))
