"""What one step of a training computes: the losses of some models, each for a batch of its own photos.

This joins the trainer (which knows no CLIP) to the model and its features.
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
from gallop.model.prompted import PromptModel, text_features_together
from gallop.parts import registered
from gallop.training.loop import Batch, Parallel, StepResult, Trainer

Objective = Callable[[PromptModel, ImageFeatures, Tensor, Tensor, TextFeatures], tuple[Loss, Tensor, Tensor]]
"""(model, features, labels, kept prompts, text) -> what a step minimises, and the cosines that it was made of: global
(B, K, M) and top-k local (B, K, N). ``PromptModel.loss`` is the paper's."""


SHARED_NAMES = 8
"""The least number of class names for each process, for the text encoder's work to be shared."""


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

        They share the pass of the text encoder and nothing else: their losses are added, so every gradient is the
        model's own.
        """
        texts_of = self._texts(learners[0].model)

        def compute(batches: Sequence[Batch], epoch: int) -> StepResult:
            chosen = [learners[batch.learner] for batch in batches]
            texts = texts_of([learner.model for learner in chosen])
            parts = zip(chosen, batches, texts, strict=True)
            return StepResult.together([self._step(*part, epoch) for part in parts])

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

    def _step(self, learner: Learner, batch: Batch, text: TextFeatures, epoch: int) -> StepResult:
        """Return the result of this process' part of a batch, weighted by its share of the batch."""
        model, photos, images = learner.model, learner.photos[batch.images], len(batch.images)
        # Drawn for the whole batch in every process, so that the draws are those of one process.
        kept = model.paper.draw(images, batch.generator)
        part = self.views.part(photos)
        if not len(part):
            return _nothing(model, text, kept)
        features, labels = self.views.batch(photos[part], epoch), self.labels[photos[part]]
        loss, global_, local = self.objective(model, features, labels, kept[part], text)
        labels, places = labels.to(global_.device), part.to(global_.device)
        extra = registered("extra_loss", self.config.extra_loss)
        if extra is not None:
            looks = [look.to(model.backbone.device) for look in features.looks]
            terms = [extra(model.paper, look.global_.float(), look.regions.float(), labels) for look in looks]
            loss = replace(loss, total=loss.total + torch.stack(terms).mean())

        def right(logits: Tensor) -> Tensor:
            answers = logits.argmax(dim=-1) == labels
            return answers if len(part) == images else answers.new_zeros(images).index_copy(0, places, answers)

        return StepResult(
            loss=loss if len(part) == images else loss * (len(part) / images),
            correct=right(cosines.ensemble(global_, local)),
            correct_global=right(global_.mean(dim=-1)),
            correct_local=right(local.mean(dim=-1)) if local.shape[-1] else None,
            kept=kept,
        )


def _nothing(model: PromptModel, text: TextFeatures, kept: Tensor) -> StepResult:
    """Of a process that has no image of the batch: no loss, but a way back to the text, which others may have used."""
    none = torch.zeros(len(kept), dtype=torch.bool, device=text.global_.device)
    zero = (text.global_.sum() + text.local.sum()) * 0
    return StepResult(Loss(zero, zero, zero), none, none, none if model.config.topk else None, kept)
