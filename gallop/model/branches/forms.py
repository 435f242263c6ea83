"""Closed forms, and one convex one: linear classifiers of the classes that have shots, in double precision.

Shapes: n shots, S views of each, K classes with shots, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.model.branches.sums import ShotFeatures, ShotSums


@dataclass(frozen=True)
class LinearForm:
    """A score ``weights`` (K, D) times a feature, plus ``bias`` (K,), for each class."""

    weights: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return scores (..., K) of features (..., D)."""
        return features @ self.weights.T + self.bias

    def centred(self) -> LinearForm:
        """Return it less its mean over the classes: no probability changes, and evidence for a class is positive."""
        return LinearForm(self.weights - self.weights.mean(dim=0), self.bias - self.bias.mean())


def discriminant(sums: ShotSums, shrinkage: float) -> LinearForm:
    """Return Fisher's linear discriminant: each class a normal distribution around its mean, all of one covariance.

    The covariance is drawn towards a sphere, (1 - s) C + s tr(C) / D, as few shots in many dimensions need it (arXiv
    2402.04087 does so for CLIP); scores are log-probabilities up to a constant that is equal for all classes. Where the
    shots of every class are equal, C is zero, and the sphere is that of all shots.
    """
    counts, class_sums = sums.weighted
    n, width = counts.sum(), len(sums.scatter)
    means = class_sums / counts[:, None]
    within = (sums.scatter - means.T @ class_sums) / n
    size = within.trace()
    if size <= 1e-12 * sums.scatter.trace() / n:
        within, size = torch.zeros_like(within), sums.scatter.trace() / n - sums.mean.square().sum()
        shrinkage = 1.0
    shrunk = (1 - shrinkage) * within + shrinkage * size / width * torch.eye(width, dtype=within.dtype)
    weights = torch.linalg.solve(shrunk, means.T).T
    return LinearForm(weights, (counts / n).log() - (means * weights).sum(dim=1) / 2)


def ridge(sums: ShotSums, penalty: float, towards: Tensor | None = None) -> LinearForm:
    """Return ridge regression onto one column a class, 1 for its shots and 0 for others, with an intercept.

    Minimises the squared error, summed over shots, plus ``penalty`` times the squared distance of the weights from
    ``towards`` (K, D), which is zero where it is None: the more shots there are, the less the penalty matters.
    """
    counts, class_sums = sums.weighted
    n, mean = counts.sum(), sums.mean
    scatter = sums.scatter - n * torch.outer(mean, mean)
    scatter.diagonal().add_(penalty)
    wanted = class_sums - torch.outer(counts, mean)
    if towards is not None:
        wanted = wanted + penalty * towards.double()
    weights = torch.linalg.solve(scatter, wanted.T).T
    return LinearForm(weights, counts / n - weights @ mean)


def logistic(shots: ShotFeatures, strength: float, *, balanced: bool = False) -> LinearForm:
    """Return multinomial logistic regression, fitted with L-BFGS by scikit-learn; of two classes the binary one.

    Args:
        strength: C, the weight of the loss, summed over shots, against half the squared weights.
        balanced: each class has the same weight in the loss.
    """
    from sklearn.linear_model import LogisticRegression

    views = shots.features.shape[1]
    x = shots.features.double().flatten(0, 1).numpy()
    y = shots.labels.repeat_interleave(views).numpy()
    fitted = LogisticRegression(
        C=strength / views, max_iter=5000, tol=1e-6, class_weight="balanced" if balanced else None
    ).fit(x, y)
    weights, bias = torch.from_numpy(fitted.coef_), torch.from_numpy(fitted.intercept_)
    if len(fitted.classes_) == 2:  # one row, the second class against the first
        weights, bias = torch.cat([-weights, weights]) / 2, torch.cat([-bias, bias]) / 2
    return LinearForm(weights, bias)
