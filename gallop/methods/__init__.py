"""GalLoP and what it is compared with, under one interface: ``make_method(name, settings).fit(shots)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gallop.methods.interface import FewShots, Fitted, Method

__all__ = ["FewShots", "Fitted", "METHODS", "Method", "make_method"]

METHODS: dict[str, type[Method]] = {}
"""By the names they have in a benchmark."""


def make_method(name: str, settings: Mapping[str, Any]) -> Method:
    """A method by name, with settings that replace its defaults.

    Raises:
        ConfigError: no such method, no such setting, or a value out of range.
    """
    raise NotImplementedError
