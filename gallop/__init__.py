"""GalLoP Explorer: few-shot image classification with global and local prompts that shows which of them decided.

The public names are below and, for the pieces of the method, the functions documented in each module. Importing
``gallop`` is cheap: torch is loaded with the first name that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "GalLoP": "gallop.core.gallop",
    "GalLoPClassifier": "gallop.estimator",
    "Predictions": "gallop.predictions.predict",
    "Explanation": "gallop.predictions.explanation",
    "ImageFeatures": "gallop.features.cache",
    "load_backbone": "gallop.backbones",
    "available_models": "gallop.backbones",
    "load_image": "gallop.images",
    "Photo": "gallop.images",
    "read_folder": "gallop.data",
    "draw_shots": "gallop.data",
    "MethodConfig": "gallop.config",
    "TrainConfig": "gallop.config",
    "plot_explanation": "gallop.maps.plots",
    "register": "gallop.parts",
    "repeat": "gallop.estimator.repeat",
    "save_maps": "gallop.maps.pictures",
    "parse_names": "gallop.names.class_names",
}

__all__ = [
    "Explanation",
    "GalLoP",
    "GalLoPClassifier",
    "ImageFeatures",
    "MethodConfig",
    "Photo",
    "Predictions",
    "TrainConfig",
    "available_models",
    "draw_shots",
    "load_backbone",
    "load_image",
    "parse_names",
    "plot_explanation",
    "read_folder",
    "register",
    "repeat",
    "save_maps",
]

if TYPE_CHECKING:
    from gallop.backbones import available_models, load_backbone
    from gallop.config import MethodConfig, TrainConfig
    from gallop.core.gallop import GalLoP
    from gallop.data import draw_shots, read_folder
    from gallop.estimator import GalLoPClassifier
    from gallop.estimator.repeat import repeat
    from gallop.features.cache import ImageFeatures
    from gallop.images import Photo, load_image
    from gallop.maps.pictures import save_maps
    from gallop.maps.plots import plot_explanation
    from gallop.names.class_names import parse_names
    from gallop.parts import register
    from gallop.predictions.explanation import Explanation
    from gallop.predictions.predict import Predictions


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'gallop' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
