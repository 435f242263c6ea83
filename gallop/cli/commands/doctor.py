"""``gallop doctor``: what is installed, and what was found."""

from __future__ import annotations

from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gallop import available_models, load_backbone
from gallop.backbones import pick_device
from gallop.cli.commands.app import missing_for_app
from gallop.cli.console import Console, columns
from gallop.features.encoding import default_cache_folder
from gallop.runtime.machine import devices, versions


def run(options: Namespace, console: Console) -> int:
    """Look around; with ``--backbone``, load it too."""
    result = {
        "versions": versions(),
        "device": str(pick_device(options.device)),
        "devices": devices(),
        "models": {name: str(folder) for name, folder in available_models().items()},
        "cache": _cache(),
        "matplotlib": find_spec("matplotlib") is not None,
        "app": not missing_for_app(),
        "backbone": _backbone(options),
    }
    console.result(result, lambda: _table(result))
    if not result["models"]:
        console.warn("No shipped model was found; reinstall gallop, or build one (checkpoints/mini).")
        return 2
    return 0


def _cache() -> dict[str, Any]:
    folder = default_cache_folder()
    sizes = [_size(file) for file in folder.rglob("*")] if folder.is_dir() else []
    return {"folder": str(folder), "bytes": sum(sizes)}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:  # another process took it away
        return 0


def _backbone(options: Namespace) -> dict[str, Any] | None:
    if options.backbone is None:
        return None
    backbone = load_backbone(options.backbone, device=options.device)
    return {
        "name": backbone.name,
        "fingerprint": backbone.fingerprint,
        "input": backbone.preprocess.size,
        "grid": list(backbone.vision.grid),
    }


def _table(result: dict[str, Any]) -> list[str]:
    rows = [["what", "found"], *([name, found or "not installed"] for name, found in result["versions"].items())]
    rows.append(["matplotlib", "there" if result["matplotlib"] else "not installed"])
    rows.append(["extra app", "there" if result["app"] else "not installed"])
    rows += [["device", result["device"]], ["devices", ", ".join(result["devices"])]]
    rows += [[f"model {name}", folder] for name, folder in result["models"].items()] or [["models", "none"]]
    cache = result["cache"]
    rows.append(["cache", f"{cache['folder']} ({cache['bytes'] / 1e6:.1f} MB)"])
    if result["backbone"]:
        backbone = result["backbone"]
        rows.append([f"backbone {backbone['name']}", f"loads; fingerprint {backbone['fingerprint'][:12]}"])
    return columns(rows)
