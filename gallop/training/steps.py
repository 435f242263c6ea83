"""What one step of a training computes: the losses of some models, each for a batch of its own photos.

This joins the trainer (which knows no CLIP) to the model and its features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.config import TrainConfig
from gallop.core import cosines
from gallop.core.gallop import Loss, TextFeatures, draw_kept_prompts
from gallop.features.encoding import ImageFeatures, TrainingViews
from gallop.model.prompted import PromptModel, text_features_together
from gallop.training.loop import Batch, Parallel, StepResult, Trainer

Objective = Callable[[PromptModel, ImageFeatures, Tensor, Tensor, TextFeatures], tuple[Loss, Tensor, Tensor]]
"""(model, features, labels, kept prompts, text) -> what a step minimises, and the cosines that it was made of: global
(B, K, M) and top-k local (B, K, N). ``PromptModel.loss`` is the paper's."""


SHARED_NAMES = 8
"""The least number of class names for each process, for the text tower's work to be shared."""


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
    parallel: Parallel

    def trainer(self, learners: Sequence[Learner]) -> Trainer:
        """Return a trainer for models that learn side by side, each from photos of its own.

        They share the pass of the text tower and nothing else: their losses are added, so every gradient is the
        model's own.
        """
        method, texts_of = learners[0].model.config, self._texts(learners[0].model)

        def compute(batches: Sequence[Batch], epoch: int) -> StepResult:
            photos = [learners[batch.learner].photos[batch.images] for batch in batches]
            # Drawn for the whole batch in every process, so that the draws are those of one process.
            kept = [
                draw_kept_prompts(len(batch.images), method.global_prompts, method.kept_prompts, batch.generator)
                for batch in batches
            ]
            parts = [self.views.part(some) for some in photos]
            chosen = [learners[batch.learner] for batch in batches]
            models = [learner.model for learner in chosen]
            results = []
            for learner, text, some, part, drawn in zip(chosen, texts_of(models), photos, parts, kept, strict=True):
                if len(part):
                    results.append(self._step(learner, some, part, drawn, text, epoch))
                else:
                    results.append(_nothing(learner.model, text, drawn))
            return StepResult.together(results)

        parameters = [parameter for learner in learners for parameter in learner.model.prompts.learned()]
        counts = [len(learner.photos) for learner in learners]
        return Trainer(parameters, compute, counts, self.config, self.parallel)

    def _texts(self, first: PromptModel) -> Callable[[Sequence[PromptModel]], list[TextFeatures]]:
        """Text features of models that learn side by side: in several processes, each encodes its share of the names.

        Not where the names are few: what they have in common, the prompts, is most of the work then.
        """
        rank, processes, classes = self.parallel.rank, self.parallel.processes, len(first.class_names)
        if processes == 1 or classes < SHARED_NAMES * processes:
            return text_features_together
        context_tokens = first.prompts.global_contexts.shape[1]
        own = first.backbone.text.tokenize(first.class_names[rank::processes], context_tokens=context_tokens)

        def share(models: Sequence[PromptModel]) -> list[TextFeatures]:
            parts = [part for text in text_features_together(models, own) for part in (text.global_, text.local)]
            whole = self.parallel.gather(torch.cat(parts, dim=1), classes)
            every = iter(torch.split(whole, [part.shape[1] for part in parts], dim=1))
            return [TextFeatures(next(every), next(every)) for _ in models]

        return share

    def _step(
        self, learner: Learner, photos: Tensor, part: Tensor, kept: Tensor, text: TextFeatures, epoch: int
    ) -> StepResult:
        """Of this process' part (positions) of a batch, weighted by its share of the batch."""
        own, model = photos[part], learner.model
        features, target = self.views.batch(own, epoch), self.labels[own]
        loss, global_, local = self.objective(model, features, target, kept[part], text)
        found = _answered((loss, global_, local), target, kept)
        return found if len(part) == len(photos) else _spread(found, part, len(photos))


def _answered(found: tuple[Loss, Tensor, Tensor], target: Tensor, kept: Tensor) -> StepResult:
    loss, global_, local = found
    target = target.to(global_.device)
    return StepResult(
        loss=loss,
        correct=cosines.ensemble(global_, local).argmax(dim=-1) == target,
        correct_global=global_.mean(dim=-1).argmax(dim=-1) == target,
        correct_local=local.mean(dim=-1).argmax(dim=-1) == target if local.shape[-1] else None,
        kept=kept,
    )


def _spread(found: StepResult, part: Tensor, images: int) -> StepResult:
    """A part as the trainer wants it: its share of the loss, and answers in the places of the whole batch."""

    def placed(correct: Tensor) -> Tensor:
        whole = correct.new_zeros(images)
        whole[part.to(whole.device)] = correct
        return whole

    return StepResult(
        loss=found.loss * (len(part) / images),
        correct=placed(found.correct),
        correct_global=placed(found.correct_global),
        correct_local=None if found.correct_local is None else placed(found.correct_local),
        kept=found.kept,
    )


def _nothing(model: PromptModel, text: TextFeatures, kept: Tensor) -> StepResult:
    """Of a process that has no image of the batch: no loss, but a way back to the text, which others may have used."""
    none = torch.zeros(len(kept), dtype=torch.bool, device=text.global_.device)
    zero = (text.global_.sum() + text.local.sum()) * 0
    return StepResult(Loss(zero, zero, zero), none, none, none if model.config.topk else None, kept)
