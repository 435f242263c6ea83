"""Settings as options: from the fields of a frozen dataclass to the parser, and from what was given back to one."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gallop.cli import values
from gallop.setting import Setting, settings_of


def add_settings(group: argparse._ArgumentGroup, usual: Any, others: Mapping[str, Any] | None = None) -> None:
    """Add an option for each setting of a config. One that is not given is None in the namespace.

    Args:
        usual: the config whose values hold for what is not given.
        others: further ones by name, whose values the help tells where they are others.
    """
    settings = settings_of(usual)
    for each in fields(usual):
        about = settings[each.name]
        name = about.option_of(each.name)
        if not name:
            continue
        told = [_shown(getattr(usual, each.name))]
        for other, config in (others or {}).items():
            said = _shown(getattr(config, each.name))
            told += [f"{other} {said}"] * (said != told[0])
        words = about.help[0].lower() + about.help[1:].rstrip(".")
        if isinstance(each.default, bool):
            group.add_argument(name, dest=each.name, action="store_const", const=not each.default, help=words)
            if len(told) > 1 or getattr(usual, each.name) != each.default:
                opposite = about.opposite_of(each.name)
                group.add_argument(
                    opposite, dest=each.name, action="store_const", const=each.default, help=f"not {name}"
                )
            continue
        wanted: dict[str, Any] = {"choices": about.choices} if about.choices else {"metavar": about.metavar}
        kind = _kind(about, each.default)
        group.add_argument(
            name, dest=each.name, type=kind, help=f"{words} ({'; '.join(told)})".replace("%", "%%"), **wanted
        )


def given(options: Namespace, kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a dataclass that were given."""
    found = {name: getattr(options, name, None) for name in settings_of(kind)}
    return {name: value for name, value in found.items() if value is not None}


def _shown(value: Any) -> str:
    return (
        ",".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _kind(about: Setting, default: object) -> Any:
    return str if about.choices else values.topk if isinstance(default, tuple) else type(default)
