"""Photos go in, explanations come out: one pass of the tower for a batch of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gallop.core.gallop import TextFeatures
from gallop.features.encoding import BATCH, encode_photos
from gallop.images import CropBox, Photo
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel
from gallop.model.similarities import Similarities
from gallop.predictions.explanation import Explanation


def explain_photos(
    model: PromptModel, text: TextFeatures, photos: Sequence[Photo], calibration: Calibration
) -> list[Explanation]:
    """Encode photos once, a batch at a time, and keep everything that their explanations need."""
    return [
        explanation
        for start in range(0, len(photos), BATCH)
        for explanation in _explained(model, text, photos[start : start + BATCH], calibration)
    ]


def explain_first_look(model: PromptModel, photo: Photo, calibration: Calibration) -> Explanation:
    """Explain by the first look alone: what there is to show at once, while a second one, of several times the work,
    is awaited.

    The head, which learned from both looks, is asked about one. No limit for none of these was found for such answers,
    so there is none. Where answers are of one look anyway, this is ``explain_photos``.
    """
    if len(model.sight.times) > 1:
        once: Any = {"detail": 1.0, "detail_in": "answers"}
        model = model.with_config(replace(model.config, **once))
        calibration = Calibration(calibration.temperature, note="none: this is the first of two looks")
    return explain_photos(model, model.cached_text_features(), [photo], calibration)[0]


def _explained(
    model: PromptModel, text: TextFeatures, photos: Sequence[Photo], calibration: Calibration
) -> Iterator[Explanation]:
    features, crops = encode_photos(model.backbone, photos, model.map_sight)
    with torch.no_grad():
        found = model.maps(features, text)
        votes = [model.votes(features[torch.tensor([i])], text) for i in range(len(photos))]
    found = found.each(Tensor.cpu)
    for i, (photo, crop, voted) in enumerate(zip(photos, crops, votes, strict=True)):
        one = found.each(itemgetter(slice(i, i + 1)))
        yield replace(explanation_of(model, one, photo.image, crop, calibration), votes=voted)


def explanation_of(
    model: PromptModel, found: Similarities, image: Image.Image, crop: CropBox, calibration: Calibration
) -> Explanation:
    """Return the explanation of the one photo of ``found`` (B = 1), of which the model saw ``crop``."""
    return Explanation(
        image=image,
        class_names=model.class_names,
        topk=tuple(model.config.topk),
        similarities=found.each(Tensor.cpu),
        scale=model.backbone.logit_scale,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        grids=model.map_sight.grids(model.backbone)[: len(found.looks)],
        crop=crop,
        doubt=calibration.doubt,
    )
