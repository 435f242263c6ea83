"""Ridge regression, in closed form: a linear classifier of the classes that have shots, in double precision.

Shapes: K classes with shots, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.model.branches.sums import ShotSums


@dataclass(frozen=True)
class LinearForm:
    """A score ``weights`` (K, D) times a feature, plus ``bias`` (K,), for each class."""

    weights: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return scores (..., K) of features (..., D)."""
        return features @ self.weights.T + self.bias


def ridge(sums: ShotSums, penalty: float, towards: Tensor | None = None) -> LinearForm:
    """Return ridge regression onto one column a class, 1 for its shots and 0 for others, with an intercept.

    Minimises the squared error, summed over shots, plus ``penalty`` times the squared distance of the weights from
    ``towards`` (K, D), which is zero where it is None: the more shots there are, the less the penalty matters.
    """
    known, weighted = sums.known, sums.weights[sums.known]
    counts, mean = weighted * sums.counts[known], sums.mean
    n = counts.sum()
    scatter = sums.scatter - n * torch.outer(mean, mean)
    scatter.diagonal().add_(penalty)
    wanted = weighted[:, None] * sums.sums[known] - torch.outer(counts, mean)
    if towards is not None:
        wanted = wanted + penalty * towards.double()
    weights = torch.linalg.solve(scatter, wanted.T).T
    return LinearForm(weights, counts / n - weights @ mean)
