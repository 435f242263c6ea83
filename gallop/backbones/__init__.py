"""Frozen backbones: a name comes in, a backbone goes out. The only package that imports open_clip and timm.

Its names are imported on first use: files of weights are listed without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gallop.backbones.clip import Backbone, Damping
    from gallop.backbones.device import pick_device, pick_precision
    from gallop.backbones.loading import load_backbone, stored_backbone
    from gallop.backbones.preprocess import Preprocess
    from gallop.backbones.text import NameTokens
    from gallop.backbones.vision import pick_regions
    from gallop.backbones.weights import available_models

_HOMES = {
    "Backbone": "clip",
    "Damping": "clip",
    "NameTokens": "text",
    "Preprocess": "preprocess",
    "available_models": "weights",
    "load_backbone": "loading",
    "pick_device": "device",
    "pick_precision": "device",
    "pick_regions": "vision",
    "stored_backbone": "loading",
}

__all__ = [
    "Backbone",
    "Damping",
    "NameTokens",
    "Preprocess",
    "available_models",
    "load_backbone",
    "pick_device",
    "pick_precision",
    "pick_regions",
    "stored_backbone",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'gallop.backbones' has no attribute {name!r}")
    return getattr(import_module(f"gallop.backbones.{_HOMES[name]}"), name)
