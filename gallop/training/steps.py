"""The computation of one step of a training: the losses of some models, each for a batch of its photos.

This connects the trainer (which does not know CLIP) to the model and its features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gallop.config import TrainConfig
from gallop.core import cosines
from gallop.core.gallop import Loss, TextFeatures
from gallop.features.encoding import ImageFeatures, TrainingViews
from gallop.model.prompted import PromptModel, likeness, text_features_together
from gallop.parts import check_result, registered
from gallop.training.loop import Batch, StepResult, Trainer

Objective = Callable[[PromptModel, ImageFeatures, Tensor, Tensor, TextFeatures], tuple[Loss, Tensor, Tensor]]
"""(model, features, labels, kept prompts, text) -> what a step minimises, and the cosines that it was computed from:
global (B, K, M) and top-k local (B, K, N). ``PromptModel.loss`` is the paper's."""


@dataclass(frozen=True)
class Learner:
    """A model to train, and which photos it learns from: indices (n,) into all of them."""

    model: PromptModel
    photos: Tensor


@dataclass(frozen=True)
class Steps:
    """What the steps of a training, and of its folds, have in common."""

    views: TrainingViews
    labels: Tensor
    config: TrainConfig
    objective: Objective

    def trainer(self, learners: Sequence[Learner]) -> Trainer:
        """Return a trainer for models that learn side by side, each from its photos.

        They share the pass of the text encoder and nothing else: their losses are added, so every model gets the
        gradient that it would get alone.
        """

        def compute(batches: Sequence[Batch], epoch: int) -> StepResult:
            chosen = [learners[batch.learner] for batch in batches]
            parts = zip(chosen, batches, text_features_together([learner.model for learner in chosen]), strict=True)
            return StepResult.together([self._step(*part, epoch) for part in parts])

        return Trainer(
            [parameter for learner in learners for parameter in learner.model.prompts.learned()],
            compute,
            counts=[len(learner.photos) for learner in learners],
            config=self.config,
        )

    def _step(self, learner: Learner, batch: Batch, text: TextFeatures, epoch: int) -> StepResult:
        """Return the loss of a model on its batch, and which of the images each branch got right."""
        model, photos = learner.model, learner.photos[batch.images]
        kept = model.paper.draw(len(photos), batch.generator)
        features, labels = self.views.batch(photos, epoch), self.labels[photos]
        loss, global_, local = self.objective(model, features, labels, kept, text)
        labels = labels.to(global_.device)
        if model.config.diversity:
            loss = replace(loss, total=loss.total + model.config.diversity * likeness(text))
        extra = registered("extra_loss", self.config.extra_loss)
        if extra is not None:
            looks = [look.to(model.backbone.device) for look in features.looks]
            terms = [extra(model.paper, look.global_.float(), look.regions.float(), labels) for look in looks]
            for term in terms:
                check_result("extra_loss", isinstance(term, Tensor) and term.ndim == 0, term)
            loss = replace(loss, total=loss.total + torch.stack(terms).mean())

        def right(logits: Tensor) -> Tensor:
            return logits.argmax(dim=-1) == labels

        return StepResult(
            loss=loss,
            correct=right(cosines.ensemble(global_, local)),
            correct_global=right(global_.mean(dim=-1)),
            correct_local=right(local.mean(dim=-1)) if local.shape[-1] else None,
            kept=kept,
        )
