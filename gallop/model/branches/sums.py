"""The sums of shots that a closed form needs: how many each class has, their sums, and one matrix. A single shot cannot
be recovered from them.

Shapes: n shots, S views of each, K classes, R regions, V region width, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


def mean_region(looks: Sequence[Tensor], projection: Tensor | None) -> Tensor:
    """Return the mean over the looks of the mean of each look's regions, in the joint space (B, D), in fp32.

    Args:
        looks: the regions (B, R, V) of each look at the images.
        projection: the backbone's (V, D); None where regions are in the joint space already.
    """
    first, *more = (regions.float().mean(dim=1) for regions in looks)
    mean = torch.stack([first, *more]).mean(dim=0) if more else first
    return mean if projection is None else mean @ projection.float()


@dataclass(frozen=True)
class ShotFeatures:
    """Features of single shots.

    Attributes:
        features: (n, S, D), of length 1; a view counts as the S-th part of a shot.
        labels: (n,) class indices.
    """

    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: Tensor) -> ShotFeatures:
        """Return some of them: indices or truth values (n,)."""
        return replace(self, features=self.features[chosen], labels=self.labels[chosen])

    def append(self, other: ShotFeatures) -> ShotFeatures:
        """Return these shots, then the others, which have as many views, or one that is repeated as often."""
        views = other.features.expand(-1, self.features.shape[1], -1)
        return replace(self, features=torch.cat([self.features, views]), labels=torch.cat([self.labels, other.labels]))


@dataclass(frozen=True)
class ShotSums:
    """All that ridge regression needs to know of shots, in double precision.

    Attributes:
        counts: (K,) shots of each class.
        sums: (K, D) of their features; a view counts as the S-th part of a shot.
        scatter: (D, D), the sum of x x' over all shots, each times the weight of its class.
        balanced: each class has the same weight, whatever its number of shots.
    """

    counts: Tensor
    sums: Tensor
    scatter: Tensor
    balanced: bool = False

    @staticmethod
    def of(shots: ShotFeatures, classes: int, *, balanced: bool = False) -> ShotSums:
        """Return those of shots of K classes; a class may have none."""
        x = shots.features.double()
        sums = x.new_zeros(classes, x.shape[-1]).index_add(0, shots.labels, x.mean(dim=1))
        counts = shots.labels.bincount(minlength=classes).double()
        weights = balanced_weights(counts) if balanced else torch.ones_like(counts)
        weighed = (x * weights[shots.labels, None, None]).flatten(0, 1)
        return ShotSums(counts, sums, x.flatten(0, 1).T @ weighed / x.shape[1], balanced)

    def __add__(self, other: ShotSums) -> ShotSums:
        return replace(
            self,
            counts=self.counts + other.counts,
            sums=self.sums + other.sums,
            scatter=self.scatter + other.scatter,
        )

    @property
    def known(self) -> Tensor:
        """(K,) which classes have shots."""
        return self.counts > 0

    @property
    def weights(self) -> Tensor:
        """(K,) the weight of a shot of each class."""
        return balanced_weights(self.counts) if self.balanced else torch.ones_like(self.counts)

    @property
    def mean(self) -> Tensor:
        """(D,) of all shots, weighted."""
        return (self.weights[:, None] * self.sums).sum(dim=0) / self.counts.sum()


def balanced_weights(counts: Tensor) -> Tensor:
    """Return n / (K n_c), (K,): with it each class has the same weight, and the weights of n images sum to n.

    Args:
        counts: (K,) images of each class; one that has none has no weight, and does not count in K.
    """
    return torch.where(counts > 0, counts.sum() / (counts > 0).sum() / counts.clamp_min(1), 0.0)
