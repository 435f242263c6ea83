"""``gallop backbones``: which are here, which can be downloaded, and on what terms; downloads and removes one."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from gallop.backbones.weights import (
    KnownBackbone,
    backbones_here,
    fetch_weights,
    licence_by_name,
    offered_backbones,
    remove_weights,
)
from gallop.cli.console import Console, columns
from gallop.errors import CommandError


def run(options: Namespace, console: Console) -> int:
    """List backbones; or ``get`` or ``rm`` one."""
    if options.action is None:
        _list(console)
    elif options.name is None:
        raise CommandError(f"`gallop backbones {options.action}` needs the name of a backbone.")
    elif options.action == "rm":
        freed = remove_weights(options.name)
        console.result(
            {"name": options.name, "freed": freed}, lambda: [f"{options.name} is removed ({freed / 1e6:.0f} MB)."]
        )
    else:
        _get(options.name, console)
    return 0


def facts_of(known: KnownBackbone) -> dict[str, Any]:
    """Return what is printed of a backbone."""
    shown = ("name", "bytes", "memory", "input", "grid", "needs")
    return {name: getattr(known, name) for name in shown} | {"licence": str(known.licence)}


def _list(console: Console) -> None:
    here = backbones_here()
    names = {known.name for known in here}
    listed = [*here, *(known for known in offered_backbones() if known.name not in names)]
    result = [
        facts_of(known)
        | {"here": known.here, "about": known.about}
        | {"licence_source": known.licence.source, "licence_date": known.licence.date}
        for known in listed
    ]
    rows = [
        [
            known.name,
            "yes" if known.here else "no",
            f"{known.bytes / 1e6:.0f}",
            "{} x {}".format(*known.grid) if known.grid else "-",
            known.needs or "-",
            str(known.licence),
        ]
        for known in listed
    ]
    console.result(result, lambda: columns([["name", "here", "MB", "grid", "needs", "licence"], *rows]))


def _get(name: str, console: Console) -> None:
    licence, done = licence_by_name(name), 0
    console.note(f"The licence of {name}: {licence.cited}.")
    for fetched in fetch_weights(name):
        done = fetched.done
        console.progress(f"downloading {name}, MB", done // 10**6, fetched.total // 10**6)
    console.result(
        {"name": name, "bytes": done},
        lambda: [f"{name} {'is here now' if done else 'was here already'}: use it with --backbone {name}."],
    )
