"""How long a training takes on this machine, from its own steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from gallop.backbones import Backbone
from gallop.config import MethodConfig, TrainConfig
from gallop.features.encoding import ImageFeatures, Sight
from gallop.model.prompted import PromptModel, starting_prompts, text_features_together


@dataclass(frozen=True)
class Pace:
    """Seconds of one step: of a training, and of its folds side by side."""

    step: float
    of_folds: float

    @staticmethod
    def measured(backbone: Backbone, classes: int, method: MethodConfig, config: TrainConfig, photos: int) -> Pace:
        """Return the seconds of steps with made-up features and class names.

        Args:
            photos: how many are learned from.
        """
        names = [f"a{n}" for n in range(classes)]
        batch = round(photos / config.batches(photos))
        width, joint = backbone.vision.region_width, backbone.feature_sizes[-1]
        grids = Sight(method.looks("training")).grids(backbone)
        looks = [ImageFeatures(torch.randn(batch, joint), torch.randn(batch, r * c, width)) for r, c in grids]
        features, labels = ImageFeatures.of_looks(looks), torch.zeros(batch, dtype=torch.long)

        model = PromptModel(backbone, names, method, starting_prompts(backbone, method))

        def seconds(learners: int) -> float:
            began = time.perf_counter()
            texts = text_features_together([model] * learners)
            losses = [model.loss(features, labels, model.paper.draw(batch), text)[0].total for text in texts]
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            return time.perf_counter() - began

        seconds(1)  # the first one is slower
        return Pace(seconds(1), seconds(config.calibration_folds) if config.calibration_folds else 0.0)

    def seconds(self, photos: int, config: TrainConfig) -> float:
        """Return the seconds of all steps of a training and of its folds, once the photos are encoded."""
        folds = config.calibration_folds
        without_fold = config.batches(photos - photos / folds) if folds else 0
        return config.epochs * (config.batches(photos) * self.step + without_fold * self.of_folds)
