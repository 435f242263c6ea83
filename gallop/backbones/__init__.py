"""Frozen towers: a name comes in, a backbone goes out. The only package that imports open_clip and timm."""

from gallop.backbones.clip import Backbone, Damping
from gallop.backbones.device import pick_device, pick_precision
from gallop.backbones.loading import available_models, load_backbone
from gallop.backbones.packing import NameTokens
from gallop.backbones.preprocess import Preprocess
from gallop.backbones.vision import pick_regions

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
]
