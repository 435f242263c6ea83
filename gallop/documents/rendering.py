"""Jinja2 templates, each beside the module that knows its facts: ``export/report.html.j2`` for ``export/report.py``.

All that a template prints is escaped, by the rules of HTML or of Markdown as its name says; a missing value is an
error.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gallop.documents.markdown import markdown_line, plain_markdown


def render(template: str, **facts: Any) -> str:
    """Return the text of a template.

    Args:
        template: its path in ``gallop``, which ends in ``.html.j2`` or ``.md.j2``.
        facts: what it prints, under the names that it uses.
    """
    return jinja_environment(markdown=template.endswith(".md.j2")).get_template(template).render(facts)


@cache
def jinja_environment(markdown: bool) -> Environment:
    """Return what renders templates, with the filters that they use."""
    made = Environment(
        loader=PackageLoader("gallop", ""),
        autoescape=True,
        finalize=_markdown if markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"figure": _figure, "plain": _markdown, "line": lambda text: Markup(markdown_line(text))}
    return made


def _markdown(value: object) -> Markup:
    """Autoescape after Markdown's rules: what is markup already goes through, as it does through HTML's."""
    return value if isinstance(value, Markup) else Markup(plain_markdown(str(value)))


def _figure(value: float, form: str) -> Markup:
    """A number is no text of strangers: its point stays a point."""
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number.")
    return Markup(format(value, form))
