"""How far answers move where JPEGs are decoded smaller (``--draft``), and how much less time that takes.

Photos of public sets are often no larger than the backbone's input. So the backbone is shown them at a quarter of its
side, which is for the decoder what a photo of 896 pixels is for the full side: decoded at a half, it has twice the
pixels that are needed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gallop import GalLoPClassifier
from gallop.answers.scorer import DRAFT_SIDES
from gallop.features.encoding import BATCH, ImageFeatures
from gallop.images import decode_image


@dataclass(frozen=True)
class Moved:
    """What ``--draft`` does to some photos.

    Attributes:
        mean, most: of the largest change of a photo's probabilities.
        labels: fraction of photos with another label.
        times: as fast, decoding and resizing.
    """

    photos: int
    mean: float
    most: float
    labels: float
    times: float


def moved(paths: Sequence[Path], class_names: Sequence[str]) -> Moved:
    """Zero-shot answers of ``mini`` to photos of at least a quarter of its input, decoded in full and smaller."""
    classifier = GalLoPClassifier("mini", cache=False, device="cpu").zero_shot(class_names)
    small = replace(classifier.model_.backbone.preprocess, size=classifier.model_.backbone.preprocess.size // 4)
    contents = [path.read_bytes() for path in paths]
    probabilities, seconds = [], []
    for short_side in (None, DRAFT_SIDES * small.size):
        began = time.process_time()
        pixels = [small.centre(decode_image(data, "a photo", short_side=short_side).image)[0] for data in contents]
        seconds.append(time.process_time() - began)
        probabilities.append(_probabilities(classifier, torch.stack(pixels)))
    full, drafted = probabilities
    change = np.abs(drafted - full).max(axis=1)
    labels = float((drafted.argmax(axis=1) != full.argmax(axis=1)).mean())
    return Moved(len(paths), float(change.mean()), float(change.max()), labels, seconds[0] / seconds[1])


def _probabilities(classifier: GalLoPClassifier, pixels: torch.Tensor) -> np.ndarray:
    backbone, parts = classifier.model_.backbone, []
    side = backbone.preprocess.size
    for part in pixels.split(BATCH):  # type: ignore[no-untyped-call]
        large = torch.nn.functional.interpolate(part, size=(side, side), mode="bicubic", align_corners=False)
        parts.append(classifier.predict_all(ImageFeatures(*backbone.encode_image(large))).probabilities)
    return np.concatenate(parts)
