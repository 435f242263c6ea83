"""PromptSRC's self-regularisation for one text prompt (Khattak et al., "Self-regulating Prompts: Foundational Model
Adaptation without Forgetting", ICCV 2023, arXiv 2307.06948).

Three ways of not forgetting what the frozen model knows: text features stay near those of an ensemble of templates,
predictions stay near zero-shot ones, and the prompts of all epochs are averaged. The paper also learns prompts inside
the image encoder, with a term of their own; here images are frozen, so that term is zero. The ensemble is CLIP's seven
templates, where the authors take sixty.

Shapes: B images, K classes, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.core import cosines
from gallop.core.gallop import Loss, TextFeatures
from gallop.data import LabelledPhotos
from gallop.features.encoding import ImageFeatures
from gallop.methods.interface import Setup
from gallop.methods.prompt_learning import PromptedText, PromptLearner, text_of
from gallop.methods.zero_shot import TEMPLATES, template_features
from gallop.model.prompted import PromptModel
from gallop.setting import number_between
from gallop.training.loop import StepEvent
from gallop.training.steps import Objective


def epoch_weights(epochs: int, centre: float, width: float) -> Tensor:
    """Return shares (epochs,) of each epoch's prompts in the average: a Gaussian over the epochs (paper, eq. 8)."""
    at = torch.arange(1, epochs + 1)
    return (-((at - centre * epochs) ** 2) / (2 * (width * epochs) ** 2)).softmax(dim=0)


@dataclass(frozen=True)
class PromptSRC(PromptLearner):
    """CE for one global prompt + both consistencies, and the average of its prompts over the epochs.

    Attributes:
        text_weight, prediction_weight: of the consistencies.
        centre, width: mean and standard deviation of the Gaussian, as shares of the epochs.
    """

    text_weight: float = 25.0
    prediction_weight: float = 1.0
    centre: float = 0.9
    width: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        number_between("text_weight", self.text_weight, 0, 1000)
        number_between("prediction_weight", self.prediction_weight, 0, 1000)
        number_between("centre", self.centre, 0, 1)
        number_between("width", self.width, 0.001, 1000)

    def regularised(self, frozen: Tensor) -> Objective:
        """Return what a step minimises.

        Args:
            frozen: text features (K, D) that nothing was learned for.
        """

        def objective(
            model: PromptModel, features: ImageFeatures, labels: Tensor, kept: Tensor, text: TextFeatures
        ) -> tuple[Loss, Tensor, Tensor]:
            loss, global_, local = model.loss(features, labels, kept, text)
            scale, damping = model.backbone.logit_scale, model.backbone.damping.image
            images = features.global_.to(model.backbone.device).float()
            before = scale * cosines.global_cosines(images, frozen[:, None], damping)[..., 0]
            now = scale * global_[..., 0]
            # The mean absolute difference of unit text features (paper, section 3.2.1).
            of_texts = F.l1_loss(F.normalize(text.global_[:, 0], dim=-1), F.normalize(frozen, dim=-1))
            # KL(frozen || learned) of the class probabilities, divided by B K as in the authors' code.
            divergence = F.kl_div(now.log_softmax(-1), before.log_softmax(-1), reduction="sum", log_target=True)
            penalty = self.text_weight * of_texts + self.prediction_weight * (divergence / now.numel())
            return replace(loss, total=loss.total + penalty), global_, local

        return objective

    def fit(self, shots: LabelledPhotos, setup: Setup) -> PromptedText:
        """Learn the prompt; what answers is the average over the epochs."""
        model = PromptModel(setup.backbone, shots.class_names, self.method)
        objective = self.regularised(template_features(setup.backbone, shots.class_names, TEMPLATES["ensemble"]))
        weights = epoch_weights(self.config(setup.seed).epochs, self.centre, self.width)
        average = torch.zeros_like(model.prompts.global_contexts)
        for event in self.train(model, shots, setup, objective):
            if isinstance(event, StepEvent) and event.end_of_epoch:
                average += weights[event.epoch] * model.prompts.global_contexts.detach()
        with torch.no_grad():
            model.prompts.global_contexts.copy_(average)
        return text_of(model)
