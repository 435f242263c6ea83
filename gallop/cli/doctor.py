"""``gallop doctor``: what is installed, and what was found."""

from __future__ import annotations

import platform
from argparse import Namespace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from gallop import __version__, available_models, load_backbone
from gallop.backbones import pick_device
from gallop.cli.console import Console, columns
from gallop.features import default_cache_folder

PACKAGES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "open_clip": "open_clip_torch",
    "timm": "timm",
    "numpy": "numpy",
}
"""Import names and the names they are installed under."""


def run(options: Namespace, console: Console) -> int:
    """Look around; with ``--backbone``, load it too."""
    result = {
        "versions": _versions(),
        "device": str(pick_device(options.device)),
        "devices": _devices(),
        "models": {name: str(folder) for name, folder in available_models().items()},
        "cache": _cache(),
        "matplotlib": find_spec("matplotlib") is not None,
        "backbone": _backbone(options),
    }
    console.result(result, lambda: _table(result))
    if not result["models"]:
        console.warn("No shipped model was found; reinstall gallop, or build one (checkpoints/mini).")
        return 2
    return 0


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"gallop": __version__, "python": platform.python_version()}
    for name, package in PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            found[name] = None
    return found


def _devices() -> list[str]:
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else range(0)
    return [f"cpu ({torch.get_num_threads()} threads)", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in gpus)]


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
    rows += [["device", result["device"]], ["devices", ", ".join(result["devices"])]]
    rows += [[f"model {name}", folder] for name, folder in result["models"].items()] or [["models", "none"]]
    cache = result["cache"]
    rows.append(["cache", f"{cache['folder']} ({cache['bytes'] / 1e6:.1f} MB)"])
    if result["backbone"]:
        backbone = result["backbone"]
        rows.append([f"backbone {backbone['name']}", f"loads; fingerprint {backbone['fingerprint'][:12]}"])
    return columns(rows)
