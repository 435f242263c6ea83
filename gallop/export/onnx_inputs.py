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

from gallop.estimator import GalLoPClassifier
from gallop.images import load_image
from gallop.model.prompted import PromptModel

PREFIXES = ("", "finer_")
"""Of what is said of the first and the second look at a photo."""
INPUTS = tuple(f"{prefix}pixels" for prefix in PREFIXES)
_FORMAT = 1
_PATTERNS = 4
"""Made pictures that every file is checked on, beside the photos given."""
_TO_NUMBERS = "values / 255; minus mean, divided by std, per channel"


def metadata_of(classifier: GalLoPClassifier) -> dict[str, str]:
    """What a reader of the file needs: texts, and JSON where it is more than one."""
    model, calibration = classifier.model_, classifier.calibration_
    preprocess = model.backbone.preprocess
    steps = f"RGB; {preprocess.sentence}; {_TO_NUMBERS}"
    branches = {
        "head": " ".join(branch.kind for branch in model.branches),
        "head_weight": " ".join(repr(branch.mix.weight) for branch in model.branches),
    }
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
        **(branches if model.branches else {}),
        **(_metadata_of_second(model) if len(model.sight.times) > 1 else {}),
    }


def _metadata_of_second(model: PromptModel) -> dict[str, str]:
    """What a reader needs to know of the second look."""
    preprocess, times = model.backbone.preprocess, model.sight.times[1]
    steps = f"RGB; {preprocess.sentence_at(times)}; {_TO_NUMBERS}"
    return {
        "detail": repr(times),
        "finer_preprocessing": json.dumps({**asdict(preprocess), "size": preprocess.side(times), "steps": steps}),
        "finer_grid": json.dumps(model.backbone.grid_at(times)),
    }


def pixels_to_check(model: PromptModel, photos: Sequence[Any]) -> list[Tensor]:
    """Photos, and patterns that are the same every time, as the model's input: (B, 3, S, S) of each look."""
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (7, 7, 3), dtype=np.uint8) for _ in range(_PATTERNS)]
    patterns = [np.kron(blocks, np.ones((48, 48, 1), dtype=np.uint8)) for blocks in coarse]
    each = [as_inputs(model, photo) for photo in (*patterns, *photos)]
    return [torch.from_numpy(pixels) for pixels in stacked(each).values()]


def as_inputs(model: PromptModel, photo: Any) -> dict[str, NDArray[np.float32]]:
    """Return a photo, whatever ``load_image`` takes, as the file takes it: (3, S, S) of each look, by its name.

    Raises:
        ImageError: it cannot be read.
    """
    image = load_image(photo).image
    looks = [model.backbone.preprocess.centre(image, times)[0].numpy() for times in model.sight.times]
    return dict(zip(INPUTS, looks, strict=False))


def stacked(photos: Sequence[Mapping[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """Return some photos as the file takes them together."""
    return {name: np.stack([photo[name] for photo in photos]) for name in photos[0]}
