"""How long a training takes on this machine, from its own steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.config import MethodConfig, TrainConfig
from gallop.features.encoding import ImageFeatures, Sight
from gallop.model.prompted import PromptModel, starting_prompts
from gallop.training.steps import Learner, Steps


@dataclass(frozen=True)
class _MadeUpViews:
    """In place of ``TrainingViews``: the same features for any photos."""

    features: ImageFeatures

    def batch(self, photos: Tensor, epoch: int) -> ImageFeatures:
        return self.features[: len(photos)]


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
        names, size = [f"a{n}" for n in range(classes)], round(photos / config.batches(photos))
        grids = Sight(method.looks("training")).grids(backbone)
        random = torch.Generator()  # torch's own draws go on as if nothing had been measured
        looks = [
            ImageFeatures(
                torch.randn(size, backbone.feature_sizes[-1], generator=random),
                torch.randn(size, rows * columns, backbone.vision.region_width, generator=random),
            )
            for rows, columns in grids
        ]
        views, labels = _MadeUpViews(ImageFeatures.of_looks(looks)), torch.zeros(size, dtype=torch.long)
        steps = Steps(cast(Any, views), labels, replace(config, epochs=2, batch_size=size, lr=1e-6), PromptModel.loss)

        def seconds(learners: int) -> float:
            """The second step of some models side by side: the first one is slower."""
            models = [PromptModel(backbone, names, method, starting_prompts(backbone, method)) for _ in range(learners)]
            events = steps.trainer([Learner(model, torch.arange(size)) for model in models]).run()
            next(events)
            began = time.perf_counter()
            next(events)
            return time.perf_counter() - began

        return Pace(seconds(1), seconds(config.calibration_folds) if config.calibration_folds else 0.0)

    def seconds(self, photos: int, config: TrainConfig) -> float:
        """Return the seconds of all steps of a training and of its folds, once the photos are encoded."""
        steps, of_folds = config.steps(photos)
        return steps * self.step + of_folds * self.of_folds
