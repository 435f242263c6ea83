"""The backbone of a notebook, and how long the notebook will take with it, on this machine as busy as it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gallop.backbones import Backbone, load_backbone
from gallop.config import MethodConfig
from gallop.core.gallop import draw_kept_prompts
from gallop.features.encoding import encode_photos
from gallop.images import Photo
from gallop.model.prompted import PromptModel


def frozen_backbone(name: str) -> Backbone:
    """Return a backbone by name: ``mini`` on the processor, where it is fast enough and gives the figures of the text;
    any other, such as "ViT-B-16/openai", on a GPU when there is one.

    Raises:
        BackboneError: as ``load_backbone``.
    """
    return load_backbone(name, device="cpu" if name == "mini" else "auto")


@dataclass(frozen=True)
class TimeAhead:
    """What there is to do, and how long each of it takes.

    Attributes:
        photos: how many pass the image encoder; an augmented view counts as one.
        each: seconds of one.
        steps: of trainings, all of them together.
        step: seconds of one.
    """

    photos: int
    each: float
    steps: int
    step: float

    @property
    def seconds(self) -> float:
        return self.photos * self.each + self.steps * self.step

    def __str__(self) -> str:
        minutes = f"{self.seconds / 60:.1f} minutes" if self.seconds >= 90 else f"{self.seconds:.0f} seconds"
        return (
            f"This notebook takes about {minutes} on this machine: {self.photos} photos pass through the image "
            f"encoder ({1000 * self.each:.0f} ms each), followed by {self.steps} training steps "
            f"({1000 * self.step:.0f} ms each)."
        )


def time_ahead(
    backbone: Backbone, class_names: Sequence[str], photo: Photo, *, photos: int, steps: int, batch: int = 32
) -> TimeAhead:
    """Measure one photo and one training step with these class names, each once to warm up and once by the clock.

    Args:
        photo: any one, which is encoded.
        photos: how many the notebook will encode.
        steps: how many it will train.
        batch: photos of a step.
    """
    encode_photos(backbone, [photo])
    started = time.perf_counter()
    features, _ = encode_photos(backbone, [photo])
    each = time.perf_counter() - started
    config = MethodConfig()
    model = PromptModel(backbone, list(class_names), config)
    many = features[torch.zeros(batch, dtype=torch.long)]
    labels = torch.arange(batch) % len(class_names)
    kept = draw_kept_prompts(batch, config.global_prompts, config.kept_prompts, torch.Generator().manual_seed(0))
    for _ in range(2):
        started = time.perf_counter()
        model.loss(many, labels, kept)[0].total.backward()  # type: ignore[no-untyped-call]
    return TimeAhead(photos, each, steps, time.perf_counter() - started)
