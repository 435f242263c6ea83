"""Accuracy, OOD metrics, the OOD threshold and calibration.

OOD scores are larger = more outlier; an image is called an outlier when its score is ABOVE the threshold.
"""

from __future__ import annotations

import math

import numpy as np
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score
from torch import Tensor


def _scores(values: ArrayLike, what: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError(f"There are no {what} scores to measure.")
    if not np.isfinite(array).all():
        raise ValueError(f"Some {what} scores are not finite.")
    return array


def accuracy(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Share of equal entries, in [0, 1]. Raises ValueError for empty or unequal lengths."""
    a, b = np.asarray(predicted), np.asarray(labels)
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"Accuracy needs as many predictions as labels, at least one; got {a.shape} and {b.shape}.")
    return float((a == b).mean())


def threshold_at_tpr(inlier_scores: ArrayLike, tpr: float = 0.95) -> float:
    """The smallest threshold at which at least ``tpr`` of the inliers are not above it."""
    ordered = np.sort(_scores(inlier_scores, "inlier"))
    # Rounded before the ceiling: 0.95 * 20 is 19.000000000000004 in floating point.
    needed = max(math.ceil(round(tpr * ordered.size, 9)), 1)
    return float(ordered[needed - 1])


def fpr_at_tpr(inlier_scores: ArrayLike, outlier_scores: ArrayLike, tpr: float = 0.95) -> float:
    """FPR95 as reported here: share of outliers that are not above ``threshold_at_tpr`` of the inliers, in [0, 1]."""
    return float((_scores(outlier_scores, "outlier") <= threshold_at_tpr(inlier_scores, tpr)).mean())


def authors_fpr_at_tpr(inlier_scores: ArrayLike, outlier_scores: ArrayLike, tpr: float = 0.95) -> float:
    """FPR95 as the paper's own code takes it: share of outliers below a looser threshold, in [0, 1].

    Theirs keeps the share of inliers that is *nearest* to ``tpr``, be it less, and takes the loosest threshold that
    keeps as many: right below the next inlier. Ours keeps at least ``tpr``, with the tightest. What lies between is the
    outliers between two inliers: a few points with 100 inliers, 0.01 points with ImageNet's 50,000.
    """
    values, counts = np.unique(_scores(inlier_scores, "inlier"), return_counts=True)
    distance = np.abs(counts.cumsum() / counts.sum() - tpr)
    nearest = values.size - 1 - int(distance[::-1].argmin())  # of two, the larger share
    outliers = _scores(outlier_scores, "outlier")
    if nearest == values.size - 1:  # all inliers are kept, and the tightest threshold will do
        return float((outliers <= values[nearest]).mean())
    return float((outliers < values[nearest + 1]).mean())


def auroc(inlier_scores: ArrayLike, outlier_scores: ArrayLike) -> float:
    """Chance that an outlier scores above an inlier, ties counting half, in [0, 1]."""
    inliers, outliers = _scores(inlier_scores, "inlier"), _scores(outlier_scores, "outlier")
    is_outlier = np.concatenate([np.zeros(inliers.size), np.ones(outliers.size)])
    return float(roc_auc_score(is_outlier, np.concatenate([inliers, outliers])))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T in [0.05, 20] under which softmax(logits / T) makes the labels most probable (Guo et al. 2017).

    A prior, log T ~ N(0, 1), holds it near the paper's 1 where there are few images: when all of them are right, the
    likelihood alone has no maximum, and every answer would be given at 100%.

    Args:
        logits: scale x cosines (B, K) of images that were not trained on.
        labels: class indices (B,).
    """
    logits = logits.double()

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_t), labels, reduction="sum")) + log_t**2 / 2

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20.0)), method="bounded")
    return math.exp(float(found.x))


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error of the winning probability: |confidence - accuracy| averaged over equal-width bins."""
    confidence, predicted = probabilities.max(dim=-1)
    correct = (predicted == labels).double()
    index = (confidence * bins).long().clamp(max=bins - 1)
    error = 0.0
    for i in range(bins):
        inside = index == i
        if inside.any():
            gap = (confidence[inside].double().mean() - correct[inside].mean()).abs()
            error += float(gap * inside.double().mean())
    return error
