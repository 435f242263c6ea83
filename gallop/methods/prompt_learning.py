"""What prompt learners share, and GalLoP itself (Lafon et al., ECCV 2024, arXiv 2407.01400)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from gallop.config import MethodConfig, TrainConfig
from gallop.core.gallop import TextFeatures
from gallop.data import LabelledPhotos
from gallop.features.encoding import ImageFeatures, Sight
from gallop.methods.interface import Setup, Work
from gallop.model.branches.kinds import sight_of
from gallop.model.calibration import Calibration
from gallop.model.prompted import PromptModel
from gallop.predictions.predict import Predictions, predict
from gallop.presets import OwnPreset, train_preset
from gallop.setting import settings_of
from gallop.training.learn import EncodeEvent, learn
from gallop.training.loop import StepEvent
from gallop.training.steps import Objective


@dataclass(frozen=True)
class PromptedText:
    """Answers from text features of the classes, whoever made them; temperature 1, no threshold."""

    model: PromptModel
    text: TextFeatures

    def predict(self, features: ImageFeatures) -> Predictions:
        """Return answers for B images, with the OOD scores of cosines."""
        return predict(self.model, Calibration(), features, self.text)


def text_of(model: PromptModel) -> PromptedText:
    """Return a model's own prompts as they are now."""
    with torch.no_grad():
        return PromptedText(model, model.text_features())


RUNS_OWN = ("seed", "calibration_folds")
"""Settings of a training that are no method's: the run has its seed, and nothing is held out."""


USUAL_TRAINING = TrainConfig()
"""Of a training, where nothing else is said."""


@dataclass(frozen=True)
class PromptLearner:
    """Settings of the training that prompt learners share; None takes the preset's value.

    A ``preset`` may be settings themselves, which have those, too, that are no fields here. Without one they are those
    of ``TrainConfig()``, which never change, while what is measured on ``mini`` may.

    Nothing is held out for a calibration: all shots are learned from, as in the papers.
    """

    learns: ClassVar[bool] = True

    preset: OwnPreset | TrainConfig = USUAL_TRAINING
    epochs: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    views: int | None = None

    def __post_init__(self) -> None:
        self.config(seed=0)  # refuses what cannot be used before anything is encoded

    def config(self, seed: int) -> TrainConfig:
        """Return the training settings."""
        own = {name: getattr(self, name, None) for name in settings_of(TrainConfig) if name not in RUNS_OWN}
        return train_preset(self.preset, **own, calibration_folds=0, seed=seed)

    def train(
        self, model: PromptModel, shots: LabelledPhotos, setup: Setup, objective: Objective = PromptModel.loss
    ) -> Iterator[object]:
        """Yield the events of a training of ``model.prompts``, in place."""
        config, done = self.config(setup.seed), 0
        setup.tick()
        setup.tell(0, self.work(len(shots)).kept)
        for event in learn(model, shots, config, cache=setup.cache, objective=objective):
            if isinstance(event, EncodeEvent):
                setup.tell(event.done, event.total)
            setup.tick()
            yield event
            done += isinstance(event, StepEvent)
            if done == setup.steps:
                return

    def work(self, photos: int) -> Work:
        """Return steps over all epochs; views are kept, or fresh for each step."""
        config = self.config(seed=0)
        batch = min(config.batch_size, photos)
        return Work(
            steps=config.epochs * -(-photos // config.batch_size),
            batch=batch,
            fresh=0 if config.views else batch,
            kept=photos * config.views,
        )


ONE_PROMPT = MethodConfig(global_prompts=1, topk=(), dropout=0.0)
"""A single global prompt, which is what CoOp and those after it learn."""


@dataclass(frozen=True)
class GalLoPMethod(PromptLearner, MethodConfig):
    """GalLoP, with every setting of ``MethodConfig``."""

    def __post_init__(self) -> None:
        MethodConfig.__post_init__(self)  # a list of YAML's is a tuple from here on
        PromptLearner.__post_init__(self)

    @property
    def method(self) -> MethodConfig:
        """What is learned."""
        return MethodConfig(**{name: getattr(self, name) for name in settings_of(MethodConfig)})

    @property
    def sight(self) -> Sight:
        """What it answers from."""
        return sight_of(self.method, "answers")

    def fit(self, shots: LabelledPhotos, setup: Setup) -> PromptedText:
        """Learn all prompts and the projection."""
        model = PromptModel(setup.backbone, shots.class_names, self.method)
        for _ in self.train(model, shots, setup):
            pass
        return text_of(model)
