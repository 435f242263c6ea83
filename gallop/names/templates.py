"""Templates: the sentence that a class name is put into for zero-shot, such as "A photo of a {}"."""

from __future__ import annotations

from collections.abc import Iterable

from gallop.errors import ClassNameError, TemplateError
from gallop.names.class_names import clean_name

PLACE = "{}"
"""Where the class name goes; exactly once in a template."""


def clean_templates(templates: Iterable[str]) -> tuple[str, ...]:
    """Clean each template as ``clean_name`` does and check that it has one place for the class name.

    Raises:
        TemplateError: no place or several, a text that is no line of words, or no template at all.

    >>> clean_templates(["a  sketch of a {}"])
    ('a sketch of a {}',)
    """
    if isinstance(templates, str):
        raise TemplateError(
            "Templates must be a list, not a single string. Use parse_templates to split a string into lines."
        )
    cleaned = tuple(_clean(template) for template in templates)
    if not cleaned:
        raise TemplateError(f"No template was given. Give at least one, such as 'A photo of a {PLACE}'.")
    return cleaned


def parse_templates(text: str) -> tuple[str, ...]:
    """Return templates from one text, one on each line, empty lines left out. A comma is part of a template.

    Raises:
        TemplateError: as ``clean_templates``.
    """
    return clean_templates(line for line in text.split("\n") if line.strip())


def fill(template: str, class_name: str) -> str:
    """Return the sentence. Not ``str.format``: a template is text from a user, and that reads attributes of objects.

    >>> fill("a {} on a table", "cup")
    'a cup on a table'
    """
    return template.replace(PLACE, class_name, 1)


def _clean(template: str) -> str:
    try:
        cleaned = clean_name(template)
    except ClassNameError as error:
        raise TemplateError(str(error).replace("class name", "template")) from error
    if cleaned.count(PLACE) != 1:
        raise TemplateError(
            f"The template {cleaned!r} has {cleaned.count(PLACE)} placeholders for the class name. Write {PLACE} "
            f"exactly once, as in 'A photo of a {PLACE}'."
        )
    return cleaned
