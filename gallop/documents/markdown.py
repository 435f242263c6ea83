"""Text of strangers inside Markdown. HTML's own rules come with the templates."""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def plain_markdown(text: str) -> str:
    r"""Return text inside Markdown: shown as it is, nothing of it is a command.

    >>> print(plain_markdown("*a* [b]"))
    \*a\* \[b\]
    """
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))
