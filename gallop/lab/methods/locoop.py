"""LoCoOp: CoOp that also learns from regions in which the class is not (Miyai et al., "LoCoOp: Few-Shot
Out-of-Distribution Detection via Prompt Learning", NeurIPS 2023, arXiv 2306.01293).

A region for which the photo's class is not among the most similar ones shows something else: background, say. The
text features are pushed away from it, by making the classes equally likely there.

Shapes: B images, R regions, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from gallop.core import fast
from gallop.core.gallop import Loss, TextFeatures
from gallop.features.encoding import ImageFeatures
from gallop.lab.methods.prompt_learning import PromptLearner
from gallop.model.on_threads import HERE
from gallop.model.prompted import PromptModel
from gallop.setting import number_between


def outlier_regularisation(logits: Tensor, labels: Tensor, rank: int) -> Tensor:
    """Return minus the mean entropy of the classes over the regions for which the label is not among the first
    ``rank``.

    Args:
        logits: scale x cosines (B, R, K).
        labels: class indices (B,).
        rank: the paper's K.

    Returns:
        a scalar (paper, eqs. 5 to 7); 0 where there is no such region.
    """
    label_logits = logits.gather(-1, labels[:, None, None].expand(-1, logits.shape[1], 1))
    other = (logits > label_logits).sum(dim=-1) >= rank  # (B, R)
    log_p = logits[other].log_softmax(dim=-1)
    return (log_p.exp() * log_p).sum() / max(len(log_p), 1)


@dataclass(frozen=True)
class LoCoOp(PromptLearner):
    """CE for one global prompt + ``weight`` x ``outlier_regularisation``.

    Attributes:
        weight: the paper's lambda.
        rank_share: the paper's K as a fraction of the classes, at least one class (so it is 1 for up to seven classes);
            the paper takes 200 of 1000.
    """

    weight: float = 0.25
    rank_share: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        number_between("weight", self.weight, 0, 1000)
        number_between("rank_share", self.rank_share, 0, 1)

    def objective(
        self, model: PromptModel, features: ImageFeatures, labels: Tensor, kept: Tensor, text: TextFeatures
    ) -> tuple[Loss, Tensor, Tensor]:
        loss, global_, local = super().objective(model, features, labels, kept, text)
        backbone = model.backbone
        cosines = fast.region_cosines(
            features.regions.to(backbone.device),
            model.paper.region_projection(),
            text.global_,
            backbone.damping.region,
            HERE,
        )
        rank = max(round(self.rank_share * len(model.class_names)), 1)
        logits = backbone.logit_scale * cosines[..., 0]
        penalty = self.weight * outlier_regularisation(logits, labels.to(backbone.device), rank)
        return replace(loss, total=loss.total + penalty), global_, local
