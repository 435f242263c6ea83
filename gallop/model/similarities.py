"""The cosines of images with classes and prompts, by look and branch: what ``gallop.model.answers`` starts from.

Shapes: B images, K classes, R regions, M global prompts, N local prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from gallop.core import cosines
from gallop.core.scores import Cosines
from gallop.model import scores


@dataclass(frozen=True)
class Look:
    """The cosines of one look at B images.

    Attributes:
        image_cosines: (B, K, M) of the global prompts.
        region_cosines: (B, R, K, N) of the local prompts.
        region_scores: (B, R, K) of each region alone, averaged over local prompts; where N = 0 those of the global
            prompts with the unprojected regions, as GL-MCM does for prompts that learn nothing of regions.
        branches: of each branch beside the prompts its map (B, R, K), whose mean over the regions is its score, in the
            unit of cosines: times the logit scale it is a logit, like the prompts'.
    """

    image_cosines: Tensor
    region_cosines: Tensor
    region_scores: Tensor
    branches: Mapping[str, Tensor] = field(default_factory=dict)

    @staticmethod
    def cat(parts: Sequence[Look]) -> Look:
        """Return all images of the parts, in order."""
        return Look(
            torch.cat([part.image_cosines for part in parts]),
            torch.cat([part.region_cosines for part in parts]),
            torch.cat([part.region_scores for part in parts]),
            {name: torch.cat([part.branches[name] for part in parts]) for name in parts[0].branches},
        )

    def each(self, change: Callable[[Tensor], Tensor]) -> Look:
        """Return the same with every tensor changed, such as moved or in another order."""
        return Look(
            change(self.image_cosines),
            change(self.region_cosines),
            change(self.region_scores),
            {name: change(branch_map) for name, branch_map in self.branches.items()},
        )

    def of_classes(self, chosen: list[int]) -> Look:
        """Return those of some classes, by index, in this order."""
        return Look(
            self.image_cosines[:, chosen],
            self.region_cosines[:, :, chosen],
            self.region_scores[:, :, chosen],
            {name: branch_map[:, :, chosen] for name, branch_map in self.branches.items()},
        )

    @cached_property
    def ranked(self) -> tuple[Tensor, Tensor]:
        """Cosines (B, K, N, R), the largest first, and which regions they are: sorted once for every k."""
        values, order = self.region_cosines.movedim(1, -1).sort(dim=-1, descending=True, stable=True)
        return values, order

    def pooled(self, topk: Sequence[int], pooling: Callable[[Tensor, Sequence[int]], Tensor] | None = None) -> Tensor:
        """Return local logits (B, K, N): by ``pooling``, or top-k means, from ``ranked`` where that is known already.

        Raises:
            ValueError: not one k for each local prompt.
        """
        if pooling is not None:
            return pooling(self.region_cosines, topk)
        known = "ranked" in vars(self)
        return cosines.mean_of_first(self.ranked[0], topk) if known else cosines.topk_mean(self.region_cosines, topk)


@dataclass(frozen=True)
class Similarities:
    """The cosines of images in all looks; nothing that is computed from these needs the backbone again.

    Attributes:
        looks: one or several, that with the smallest regions last.
        look_weights: of each look in every score; 0 where it is there for its maps alone.
        branch_weights: of each branch in the answer; the rest is the prompts'.
    """

    looks: tuple[Look, ...]
    look_weights: tuple[float, ...] = (1.0,)
    branch_weights: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def cat(parts: Sequence[Similarities]) -> Similarities:
        """Return all images of the parts, in order."""
        looks = (Look.cat(some) for some in zip(*(part.looks for part in parts), strict=True))
        return replace(parts[0], looks=tuple(looks))

    def each(self, change: Callable[[Tensor], Tensor]) -> Similarities:
        """Return the same with every tensor changed, such as moved or in another order."""
        return replace(self, looks=tuple(look.each(change) for look in self.looks))

    def of_classes(self, classes: Sequence[int]) -> Similarities:
        """Return those of some classes, by index, in this order."""
        return replace(self, looks=tuple(look.of_classes(list(classes)) for look in self.looks))

    def each_look(self) -> tuple[Similarities, ...]:
        """Return those of each look alone."""
        return tuple(replace(self, looks=(look,), look_weights=(1.0,)) for look in self.looks)

    def mean(self, of_look: Callable[[Look], Tensor]) -> Tensor:
        """Return the mean over the looks, by their weights, of what is computed from each."""
        pairs = [(look, weight) for look, weight in zip(self.looks, self.look_weights, strict=True) if weight]
        parts = [of_look(look) if weight == 1 else weight * of_look(look) for look, weight in pairs]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(dim=0)

    @property
    def image_cosines(self) -> Tensor:
        """(B, K, M), the mean over the looks."""
        return self.mean(lambda look: look.image_cosines)

    @cached_property
    def branch_scores(self) -> dict[str, Tensor]:
        """Of each branch the scores (B, K), the mean over the looks."""
        return {name: self.mean(lambda look: look.branches[name].mean(dim=1)) for name in self.branch_weights}  # noqa: B023 - called now

    @cached_property
    def ood(self) -> dict[str, Tensor]:
        """The OOD scores by name, each (B,), the mean over the looks."""
        weighted = [(look, weight) for look, weight in zip(self.looks, self.look_weights, strict=True) if weight]
        looks = [(Cosines(look.image_cosines.mean(dim=-1), look.region_scores), weight) for look, weight in weighted]
        return {
            name: torch.stack([weight * score.of_cosines(each) for each, weight in looks]).sum(dim=0)
            for name, score in scores.SCORES.items()
            if score.of_cosines
        }
