"""What prompt learners share; CoOp, which adds nothing; GalLoP itself (Lafon et al., ECCV 2024, arXiv 2407.01400)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gallop.config import BackbonePreset, MethodConfig, TrainConfig, train_preset
from gallop.core.gallop import Loss, TextFeatures
from gallop.data import LabelledPhotos
from gallop.features.encoding import ImageFeatures, Sight
from gallop.lab.methods.interface import Setup
from gallop.model.branches.kinds import sight_of
from gallop.model.calibration import PROMISED, Calibration
from gallop.model.prompted import PromptModel, starting_prompts
from gallop.predictions.predict import Predictions, predict
from gallop.setting import settings_of
from gallop.training.learn import CrossFit, EncodeEvent, learn

UNCALIBRATED = Calibration()


@dataclass(frozen=True)
class PromptedText:
    """Answers from text features of the classes, however they were made; temperature 1 unless it was calibrated."""

    model: PromptModel
    text: TextFeatures
    calibration: Calibration = UNCALIBRATED

    def predict(self, features: ImageFeatures) -> Predictions:
        """Return answers for B images, with the OOD scores of cosines."""
        return predict(self.model, self.calibration, features, self.text)


ONE_PROMPT = MethodConfig(global_prompts=1, topk=(), dropout=0.0)
"""A single global prompt, which is what CoOp and those after it learn."""

RUN_SETTINGS = ("seed",)
"""Settings of a training that no method sets, but the run."""

USUAL_TRAINING = TrainConfig()
"""The settings of a training by default."""


@dataclass(frozen=True)
class PromptLearner:
    """Settings of the training that prompt learners share; None takes the preset's value.

    A ``preset`` may be settings themselves, which have those, too, that are no fields here. Without one they are those
    of ``TrainConfig()``, which never change, while what is measured on ``mini`` may.

    Without ``calibration_folds`` nothing is held out for a calibration, as in the papers. With them temperature and
    weights of a head are fitted on held-out shots, as ``gallop train`` does with the same settings.
    """

    learns: ClassVar[bool] = True

    preset: BackbonePreset | TrainConfig = USUAL_TRAINING
    epochs: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    views: int | None = None
    calibration_folds: int = 0

    def __post_init__(self) -> None:
        self.config(seed=0)  # refuses what cannot be used before anything is encoded

    def config(self, seed: int, photos: int | None = None) -> TrainConfig:
        """Return the training of a run; a measured preset has no more rounds than there are ``photos``."""
        overrides = {name: getattr(self, name, None) for name in settings_of(TrainConfig) if name not in RUN_SETTINGS}
        # The paper's rounds by shots are in its benchmarks' own settings.
        photos = None if self.preset == "paper" else photos
        return train_preset(self.preset, photos=photos, **overrides, seed=seed)

    @property
    def method(self) -> MethodConfig:
        """What is learned: one global prompt, unless a method learns something else."""
        return ONE_PROMPT

    def objective(
        self, model: PromptModel, features: ImageFeatures, labels: Tensor, kept: Tensor, text: TextFeatures
    ) -> tuple[Loss, Tensor, Tensor]:
        """Return what a step minimises, as ``gallop.training.steps.Objective``: the paper's loss."""
        return model.loss(features, labels, kept, text)

    def fit(self, shots: LabelledPhotos, setup: Setup) -> PromptedText:
        """Learn the prompts, and the projection of local ones."""
        start, config = starting_prompts(setup.backbone, self.method), self.config(setup.seed, len(shots))
        model, calibration = PromptModel(setup.backbone, shots.class_names, self.method, start), UNCALIBRATED
        setup.encoded(0, len(shots) * config.views)
        for event in learn(model, shots, config, cache=setup.cache, objective=self.objective):
            if isinstance(event, EncodeEvent):
                setup.encoded(event.done, event.total)
            elif isinstance(event, CrossFit):
                model, calibration = event.calibrate(model, PROMISED)
        with torch.no_grad():
            return PromptedText(model, model.text_features(), calibration)


@dataclass(frozen=True)
class CoOp(PromptLearner):
    """CoOp: CE(scale x cosine) for one global prompt, GalLoP's loss where M = 1 and N = 0 (Zhou et al., "Learning to
    Prompt for Vision-Language Models", IJCV 2022, arXiv 2109.01134). The context is shared by all classes and starts at
    "A photo of a", as GalLoP's do.
    """


@dataclass(frozen=True)
class GalLoPMethod(PromptLearner, MethodConfig):
    """GalLoP, with every setting of ``MethodConfig``."""

    def __post_init__(self) -> None:
        MethodConfig.__post_init__(self)  # a list of YAML's is a tuple from here on
        PromptLearner.__post_init__(self)

    @property
    def method(self) -> MethodConfig:
        return MethodConfig(**{name: getattr(self, name) for name in settings_of(MethodConfig)})

    @property
    def sight(self) -> Sight:
        return sight_of(self.method, "answers")
