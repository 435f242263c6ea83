"""The scores of photos taken apart into what each region adds, exactly, whatever answers.

Shapes: B photos, R regions, K classes, M global and N local prompts, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.core.cosines import norms
from gallop.core.gallop import TextFeatures
from gallop.features.encoding import ImageFeatures
from gallop.model.answers import GLOBAL, LOCAL, Answers, answers
from gallop.model.prompted import PromptModel
from gallop.model.similarities import Look


@dataclass(frozen=True)
class Contributions:
    """What the regions of B photos add to the scores of K classes.

    A score is what a class has above the mean of all classes, in the unit of cosines: what is equal for all classes
    changes no probability.

    Attributes:
        regions: (B, R, K), of all looks that answers are computed from, the regions of the first look first.
        scores: (B, K), of the ensemble.
    """

    regions: Tensor
    scores: Tensor

    @property
    def rest(self) -> Tensor:
        """Return what no region adds, (B, K): of the entire photo, where its feature is not the mean of its regions,
        and of local prompts whose regions are pooled in another way than by their top-k mean.
        """
        return self.scores - self.regions.sum(dim=1)


def contributions(model: PromptModel, features: ImageFeatures, topk: Sequence[int]) -> Contributions:
    """Return what each region of some photos adds to each class.

    Of a local prompt only those of a class's top-k add anything to its score, of a head all regions do, and of the
    global prompts too where the photo's feature is the mean of its regions (``mean_is_global``).

    Args:
        features: of the looks that the model answers from.
        topk: one k a local prompt.

    Raises:
        ValueError: as ``PromptModel.similarities``.
    """
    text = model.cached_text_features()
    with torch.no_grad():
        similarities = model.similarities(features, text)
        found = answers(similarities, model.rule(topk=topk))
        looks = zip(
            similarities.looks, features.to(model.backbone.device).looks, similarities.look_weights, strict=True
        )
        parts = [weight * _of_look(model, found, look, some, text) for look, some, weight in looks]
        regions, scores = torch.cat(parts, dim=1), found.scores
    return Contributions((regions - regions.mean(dim=2, keepdim=True)).cpu(), (scores - scores.mean(1, True)).cpu())


def _of_look(model: PromptModel, found: Answers, look: Look, encoded: ImageFeatures, text: TextFeatures) -> Tensor:
    """(B, R, K) before the mean over the classes is subtracted."""
    adds, count, weights = torch.zeros_like(look.region_scores), look.region_scores.shape[1], found.weights
    if LOCAL in weights and found.rule.pooling is None:
        adds += weights[LOCAL] * _of_local_prompts(look, found.rule.topk)
    if model.backbone.vision.mean_is_global:
        adds += weights[GLOBAL] * _of_global_prompts(model, encoded, text) / count
    for name in found.similarities.branch_weights:
        adds += weights[name] * look.branches[name] / count
    return adds


def _of_local_prompts(look: Look, topk: Sequence[int]) -> Tensor:
    values, order = look.ranked  # (B, K, N, R)
    counts = torch.tensor([min(k, values.shape[-1]) for k in topk], device=values.device)[:, None]
    weights = (torch.arange(values.shape[-1], device=values.device) < counts) / counts / len(topk)
    # What is equal in all cosines of a prompt adds the same to every class, whichever regions each class has chosen.
    above = values - values.mean(dim=(1, 3), keepdim=True)
    return torch.zeros_like(values).scatter(-1, order, above * weights).sum(dim=2).movedim(-1, 1)


def _of_global_prompts(model: PromptModel, encoded: ImageFeatures, text: TextFeatures) -> Tensor:
    regions = _joint(encoded.regions, model.backbone.vision.region_projection)
    photos, learned = encoded.global_.float(), model.prompts.global_projection
    if learned is not None:
        regions, photos = regions @ learned.T, photos @ learned.T
    directions = F.normalize(text.global_, dim=-1).mean(dim=1)  # (K, D)
    return regions @ directions.T / norms(photos, model.damping.image)[:, None, None]


def joint_regions(model: PromptModel, features: ImageFeatures) -> Tensor:
    """Return the regions of all looks as the frozen backbone has them in the joint space, (B, R, D) of length 1."""
    looks, projection = features.to(model.backbone.device).looks, model.backbone.vision.region_projection
    return F.normalize(torch.cat([_joint(look.regions, projection) for look in looks], dim=1), dim=-1).cpu()


def _joint(regions: Tensor, projection: Tensor | None) -> Tensor:
    """Regions (B, R, V) in the joint space (B, R, D), in fp32; where there is no projection they are in it already."""
    return regions.float() if projection is None else regions.float() @ projection.to(regions.device).float()
