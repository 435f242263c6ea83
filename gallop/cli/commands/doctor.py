"""``gallop doctor``: what is installed, which backbones are here, and how long one of them takes to load."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

import numpy as np

from gallop import available_models, load_backbone, load_image
from gallop.backbones import pick_device
from gallop.backbones.weights import backbones_here
from gallop.cli.commands.app import missing_for_app
from gallop.cli.commands.backbones import facts_of
from gallop.cli.console import Console, columns
from gallop.features.encoding import default_cache_folder, encode_photos
from gallop.runtime.machine import devices, versions


def run(options: Namespace, console: Console) -> int:
    """Show what is installed; with ``--backbone``, load it too."""
    result = {
        "versions": versions(),
        "device": str(pick_device(options.device)),
        "devices": devices(),
        "backbones": [facts_of(known) | {"source": known.source} for known in backbones_here(options.backbones)],
        "models": {name: str(folder) for name, folder in available_models().items()},
        "cache": str(default_cache_folder()),
        "app": not missing_for_app(),
        "backbone": None if options.backbone is None else _backbone(options),
    }
    console.result(result, lambda: _table(result))
    return 0


def _backbone(options: Namespace) -> dict[str, Any]:
    """Load a backbone and encode a photo with it."""
    started = time.perf_counter()
    backbone = load_backbone(options.backbone, device=options.device)
    loaded = time.perf_counter()
    encode_photos(backbone, [load_image(np.zeros((480, 640, 3), dtype=np.uint8))])
    return {
        "name": backbone.name,
        "fingerprint": backbone.fingerprint,
        "input": backbone.preprocess.size,
        "grid": list(backbone.vision.grid),
        "seconds": {"load": round(loaded - started, 3), "photo": round(time.perf_counter() - loaded, 3)},
    }


def _table(result: dict[str, Any]) -> list[str]:
    rows = [
        ["what", "value"],
        *([name, one or "not installed"] for name, one in result["versions"].items()),
        ["extra app", "installed" if result["app"] else "not installed"],
        ["device", result["device"]],
        ["devices", ", ".join(result["devices"])],
        *([f"model {name}", folder] for name, folder in result["models"].items()),
    ]
    for backbone in result["backbones"]:
        words = [f"{backbone['bytes'] / 1e6:.0f} MB", f"licence {backbone['licence']}", backbone["needs"]]
        rows.append([f"backbone {backbone['name']}", ", ".join(filter(None, words))])
    rows.append(["cache", result["cache"]])
    if backbone := result["backbone"]:
        seconds = "loads in {load:.1f} s, a first photo takes {photo:.2f} s".format(**backbone["seconds"])
        rows.append([f"backbone {backbone['name']}", f"{seconds}, fingerprint {backbone['fingerprint'][:12]}"])
    return columns(rows)
