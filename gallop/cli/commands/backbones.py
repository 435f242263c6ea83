"""``gallop backbones``: which are here, which can be downloaded, and on what terms; downloads and removes one."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from gallop.backbones.weights import (
    backbones_here,
    fetch_weights,
    licence_by_name,
    offered_backbones,
    remove_weights,
)
from gallop.cli.console import Console, columns
from gallop.errors import CommandError


def run(options: Namespace, console: Console) -> int:
    """List backbones, or what is needed to use them; or ``get`` or ``rm`` one."""
    if options.action is None:
        (_check if options.check else _list)(console)
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


def _check(console: Console) -> None:
    from gallop.backbones import pick_device  # with torch
    from gallop.features.encoding import default_cache_folder
    from gallop.runtime.machine import devices, versions

    result: dict[str, Any] = {
        "versions": versions(),
        "device": str(pick_device()),
        "devices": devices(),
        "backbones": {known.name: known.needs for known in backbones_here()},
        "cache": str(default_cache_folder()),
    }
    rows = [
        ["what", "value"],
        *([name, one or "not installed"] for name, one in result["versions"].items()),
        ["device", result["device"] if len(result["devices"]) > 1 else "cpu: torch sees no GPU"],
        ["devices", ", ".join(result["devices"])],
        *([f"backbone {name}", f"here{needs and f', {needs}'}"] for name, needs in result["backbones"].items()),
        ["cache", result["cache"]],
    ]
    console.result(result, lambda: columns(rows))


def _list(console: Console) -> None:
    here = backbones_here()
    names = {known.name for known in here}
    listed = [*here, *(known for known in offered_backbones() if known.name not in names)]
    shown = ("name", "here", "bytes", "memory", "input", "grid", "needs", "about")
    result = [
        {name: getattr(known, name) for name in shown}
        | {"licence": str(known.licence)}
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
