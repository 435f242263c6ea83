"""``gallop doctor``: what is installed, which backbones are here, and what a first pass through one of them costs."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from gallop import MethodConfig, available_models, load_backbone, load_image
from gallop.backbones import pick_device
from gallop.backbones.weights.known import backbones_here
from gallop.cli.commands.app import missing_for_app
from gallop.cli.console import Console, columns
from gallop.features.encoding import default_cache_folder, encode_photos
from gallop.model.prompted import PromptModel
from gallop.runtime.machine import devices, versions

TEN = ("cat", "dog", "bird", "horse", "car", "bicycle", "tree", "flower", "house", "cup")
"""Class names whose text is measured."""

TOLD = ("name", "source", "bytes", "memory", "licence", "input", "grid", "tokens", "needs")
"""What is told of a backbone that is on this machine."""

T = TypeVar("T")


def run(options: Namespace, console: Console) -> int:
    """Look around; with ``--backbone``, load it too."""
    result = {
        "versions": versions(),
        "device": str(pick_device(options.device)),
        "devices": devices(),
        "backbones": [{name: getattr(known, name) for name in TOLD} for known in backbones_here(options.backbones)],
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
    backbone, load = _timed(lambda: load_backbone(options.backbone, device=options.device))
    photo = load_image(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8))
    first, next_ = (_timed(lambda: encode_photos(backbone, [photo]))[1] for _ in range(2))
    model = PromptModel(backbone, TEN, MethodConfig())
    with torch.no_grad():
        _, text = _timed(lambda: model.text_features().local.cpu())
    return {
        "name": backbone.name,
        "fingerprint": backbone.fingerprint,
        "input": backbone.preprocess.size,
        "grid": list(backbone.vision.grid),
        "seconds": {"load": load, "first_photo": first, "next_photo": next_, "text_of_ten": text},
    }


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    """What a function gives, and the seconds that it took; nothing of it may still be under way on a GPU."""
    started = time.perf_counter()
    found = function()
    return found, round(time.perf_counter() - started, 3)


def _table(result: dict[str, Any]) -> list[str]:
    rows = [["what", "found"], *([name, found or "not installed"] for name, found in result["versions"].items())]
    rows.append(["matplotlib", "there" if result["matplotlib"] else "not installed"])
    rows.append(["extra app", "there" if result["app"] else "not installed"])
    rows += [["device", result["device"]], ["devices", ", ".join(result["devices"])]]
    rows += [[f"model {name}", folder] for name, folder in result["models"].items()] or [["models", "none"]]
    rows += [[f"backbone {known['name']}", _words(known)] for known in result["backbones"]]
    cache = result["cache"]
    rows.append(["cache", f"{cache['folder']} ({cache['bytes'] / 1e6:.1f} MB)"])
    if result["backbone"]:
        backbone = result["backbone"]
        rows.append([f"{backbone['name']} loads", f"fingerprint {backbone['fingerprint'][:12]}"])
        took = backbone["seconds"]
        rows.append(
            [
                "its first pass",
                f"loading {took['load']:.1f} s, a photo {took['first_photo']:.2f} s and the next "
                f"{took['next_photo']:.2f} s, text of ten names after all prompts {took['text_of_ten']:.2f} s",
            ]
        )
    return columns(rows)


def _words(known: dict[str, Any]) -> str:
    """What is known of a backbone without loading it; what is not known is left out."""
    grid, side, tokens = known["grid"], known["input"], known["tokens"]
    told = [
        f"{known['bytes'] / 1e6:.0f} MB" + (f", {known['memory'] / 1e6:.0f} MB in memory" if known["memory"] else ""),
        f"{grid[0]} x {grid[1]} regions" if grid else "",
        f"{side} px" if side else "",
        f"{tokens} tokens" if tokens else "",
        known["licence"],
        known["needs"],
    ]
    return ", ".join(filter(None, told))
