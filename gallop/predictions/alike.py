"""Where else a region is seen: the regions of other photos that are most like it, by the model's own features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from gallop.features.cache import Cache
from gallop.features.encoding import encode_centres
from gallop.model.prompted import PromptModel
from gallop.predictions.contributions import contributions, joint_regions
from gallop.runtime.progress import StageEvent
from gallop.setting import require


@dataclass(frozen=True)
class RegionAlike:
    """A region of one of some photos.

    Attributes:
        photo: its index.
        region: its number in the grid of the model's last look.
        cosine: of its feature and that of the region asked about, before anything was learned.
        adds: what it adds to the photo's score of the class, as in ``Contributions``.
    """

    photo: int
    region: int
    cosine: float
    adds: float


def where_else(
    model: PromptModel,
    photo: Any,
    region: int,
    photos: Sequence[Any],
    class_name: str,
    *,
    topk: Sequence[int] | None = None,
    cache: Cache | None = None,
    most: int = 12,
) -> Iterator[StageEvent | tuple[RegionAlike, ...]]:
    """Look in photos for what a region of another photo shows, a batch at a time; the last event is the result.

    Of each photo its one region that is most like it, the most similar first: neighbours of a region are always like
    it, and photos are what there is to see. Stop at any time.

    Args:
        region: its number in the grid of the model's last look.
        class_name: the class whose scores are taken apart.
        topk: one k a local prompt; the model's by default.
        most: how many regions there are at most.

    Raises:
        ConfigError: the photo has no such region.
        ValueError: the model has no such class.
        ImageError: a photo cannot be read.
    """
    regions, k = prod(model.sight.grids(model.backbone)[-1]), model.class_names.index(class_name)
    require(0 <= region < regions, f"region is {region}; it must be between 0 and {regions - 1}.")
    (asked,) = encode_centres(model.backbone, [photo], cache, sight=model.sight)
    wanted, found = joint_regions(model, asked)[0, region - regions], list[RegionAlike]()
    for features in encode_centres(model.backbone, photos, cache, sight=model.sight):
        cosines, best = (joint_regions(model, features)[:, -regions:] @ wanted).max(dim=1)
        parts = contributions(model, features, topk or model.config.topk).regions[:, -regions:, k]
        adds = parts[torch.arange(len(best)), best]
        every = zip(best.tolist(), cosines.tolist(), adds.tolist(), strict=True)
        found += [RegionAlike(i, *each) for i, each in enumerate(every, len(found))]
        yield StageEvent("photos", len(found), len(photos))
    yield tuple(sorted(found, key=lambda each: -each.cosine)[:most])
