"""The export formats, a module each with its entry: a format is known by its module here, ``card`` by ``CARD`` in it.

The options of ``gallop export``, its help, and what the app offers are made from them.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from gallop.export.format import Exportable, ExportFormat


def known_formats() -> dict[str, ExportFormat[Any]]:
    """Return every format by its key, in the order of the alphabet."""
    keys = sorted(module.name for module in iter_modules(__path__))
    return {key: getattr(import_module(f"gallop.export.formats.{key}"), key.upper()) for key in keys}


def option_of(key: str) -> str:
    """Return the option of ``gallop export`` that asks for a format."""
    return f"--{key.replace('_', '-')}"


def formats_of(kind: type[Exportable]) -> dict[str, ExportFormat[Exportable]]:
    """Return the formats that are made of a classifier, or of an explained photo, by key."""
    return {key: format_ for key, format_ in known_formats().items() if format_.of is kind}
