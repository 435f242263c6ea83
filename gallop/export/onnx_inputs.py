"""What an ONNX file takes of a photo, and what is written in it for those who give it that.

Shapes: B images, S side of the tower's input in pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gallop.backbones import Backbone
from gallop.estimator import GalLoPClassifier
from gallop.images import load_image

INPUTS = ("pixels", "finer_pixels")
"""Of each look at a photo."""
_FORMAT = 1
_PATTERNS = 4
"""Made pictures that every file is checked on, beside the photos given."""
_TO_NUMBERS = "values / 255; minus mean, divided by std, per channel"


def metadata_of(classifier: GalLoPClassifier) -> dict[str, str]:
    """What a reader of the file needs: texts, and JSON where it is more than one."""
    model, calibration = classifier.model_, classifier.calibration_
    backbone, preprocess = model.backbone, model.backbone.preprocess
    steps = f"RGB; {preprocess.sentence}; {_TO_NUMBERS}"
    of_head = {} if model.head is None else {"head": model.head.kind, "head_weight": repr(model.head.mix.weight)}
    return {
        "gallop_format": str(_FORMAT),
        "class_names": json.dumps(model.class_names, ensure_ascii=False),
        "preprocessing": json.dumps({**asdict(preprocess), "steps": steps}),
        "logit_scale": repr(model.backbone.logit_scale),
        "temperature": repr(calibration.temperature),
        "threshold": "" if calibration.threshold is None else repr(calibration.threshold),
        "threshold_note": calibration.note,
        "topk": json.dumps(model.config.topk),
        "grid": json.dumps(model.backbone.vision.grid),
        "backbone": model.backbone.name,
        "backbone_fingerprint": model.backbone.fingerprint,
        "prompts": model.prompts.digest(),
        **of_head,
        **({} if backbone.detail == 1 else _metadata_of_finer(backbone)),
    }


def _metadata_of_finer(backbone: Backbone) -> dict[str, str]:
    """What a reader needs to know of the second look."""
    preprocess, side = backbone.preprocess, backbone.preprocess.side(backbone.detail)
    steps = f"RGB; {preprocess.sentence_at(backbone.detail)}; {_TO_NUMBERS}"
    return {
        "detail": repr(backbone.detail),
        "finer_preprocessing": json.dumps({**asdict(preprocess), "size": side, "steps": steps}),
        "finer_grid": json.dumps(backbone.grids[-1]),
    }


def pixels_to_check(backbone: Backbone, photos: Sequence[Any]) -> list[Tensor]:
    """Photos, and patterns that are the same every time, as the model's input: (B, 3, S, S) of each look."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (7, 7, 3), dtype=np.uint8) for _ in range(_PATTERNS)]
    patterns = [np.kron(blocks, np.ones((48, 48, 1), dtype=np.uint8)) for blocks in coarse]
    each = [as_inputs(backbone, photo) for photo in (*patterns, *photos)]
    return [torch.from_numpy(pixels) for pixels in stacked(each).values()]


def as_inputs(backbone: Backbone, photo: Any) -> dict[str, NDArray[np.float32]]:
    """Return a photo, whatever ``load_image`` takes, as the file takes it: (3, S, S) of each look, by its name.

    Raises:
        ImageError: it cannot be read.
    """
    image = load_image(photo).image
    looks = [backbone.preprocess.centre(image, times)[0].numpy() for times in backbone.looks]
    return dict(zip(INPUTS, looks, strict=False))


def stacked(photos: Sequence[Mapping[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """Return some photos as the file takes them together."""
    return {name: np.stack([photo[name] for photo in photos]) for name in photos[0]}
