"""What the page is told of a classifier: its photo's way to the tower, its numbers, its names, as plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from gallop import __version__
from gallop.backbones.text.causal import reads_clip_tokens
from gallop.config import CONTEXT_INIT, HEADS
from gallop.errors import PageError
from gallop.estimator import GalLoPClassifier
from gallop.maps.explainer.data import palettes
from gallop.model.prompted import PromptModel, initial_prompts
from gallop.names.templates import PLACE

_FORMAT = 1


def page_facts(classifier: GalLoPClassifier) -> dict[str, Any]:
    """Return what the page reads first; which files there are, and how large, comes on top.

    Raises:
        PageError: its photos are resized in a way that the page does not know.
    """
    model, calibration = classifier.model_, classifier.calibration_
    backbone, config = model.backbone, model.config
    if backbone.preprocess.interpolation != "bicubic":
        raise PageError(
            f"The page resizes photos by bicubic interpolation, and {backbone.name} wants "
            f"{backbone.preprocess.interpolation}; use another backbone."
        )
    size = {"size": backbone.preprocess.size, "squash": backbone.preprocess.squash}
    return {
        "format": _FORMAT,
        "gallop": __version__,
        "backbone": backbone.name,
        "fixed": has_fixed_classes(model),
        "names": list(model.class_names),
        "templates": list(model.templates or (f"{CONTEXT_INIT} {PLACE}",)),
        "prompts": [config.global_prompts, len(config.topk)],
        "topk": list(config.topk),
        "preprocess": {**size, "mean": backbone.preprocess.mean, "std": backbone.preprocess.std},
        "looks": list(model.sight.times),
        "grids": [{"rows": rows, "columns": columns} for rows, columns in model.sight.grids(backbone)],
        "damping": asdict(model.damping),
        "scale": backbone.logit_scale,
        "temperature": calibration.temperature,
        "threshold": calibration.threshold,
        "doubt": calibration.doubt,
        "branches": [{"name": HEADS[each.kind].title, "weight": each.mix.weight} for each in model.branches],
        "width": backbone.feature_sizes[-1],
        "room": backbone.text.context_length,
        "palettes": palettes(),
    }


def has_fixed_classes(model: PromptModel) -> bool:
    """Return whether the page takes the text features of the classes as they are, and no other names.

    So it is where something was learned, from photos of these classes, and where its text tower is none of CLIP's kind.
    """
    learned = model.prompts.digest() != initial_prompts(model.backbone, model.config).digest()
    return learned or bool(model.branches) or not reads_clip_tokens(model.backbone.text)


def class_features(classifier: GalLoPClassifier) -> bytes:
    """Return text features after global, then after local prompts: (K, M + N, D), little-endian float32."""
    text = classifier.model_.cached_text_features()
    both = torch.cat([text.global_, text.local], dim=1).detach().cpu().float().numpy()
    return np.ascontiguousarray(both, dtype="<f4").tobytes()
