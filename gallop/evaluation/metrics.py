"""OOD metrics and the calibration error.

OOD scores are larger = more outlier; an image is called an outlier when its score is ABOVE the threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from gallop.model.calibration import finite_scores, threshold_at_tpr

_DRAWS = 200  # of what chance does to the calibration error


def fpr_at_tpr(inlier_scores: ArrayLike, outlier_scores: ArrayLike, tpr: float = 0.95) -> float:
    """Return FPR95 as reported here: the fraction of outliers, in [0, 1], that are not above ``threshold_at_tpr`` of
    the inliers.
    """
    return float((finite_scores(outlier_scores, "outlier") <= threshold_at_tpr(inlier_scores, tpr)).mean())


def authors_fpr_at_tpr(inlier_scores: ArrayLike, outlier_scores: ArrayLike, tpr: float = 0.95) -> float:
    """Return FPR95 as the paper's code computes it: the fraction of outliers below a looser threshold, in [0, 1].

    Theirs accepts the fraction of inliers that is *nearest* to ``tpr``, even if it is less, with the loosest threshold
    that accepts as many: just below the next inlier. Ours accepts at least ``tpr``, with the tightest threshold. They
    differ by the outliers between two inliers: a few points with 100 inliers, 0.01 points with ImageNet's 50,000.
    """
    values, counts = np.unique(finite_scores(inlier_scores, "inlier"), return_counts=True)
    distance = np.abs(counts.cumsum() / counts.sum() - tpr)
    nearest = values.size - 1 - int(distance[::-1].argmin())  # of two, the larger fraction
    outliers = finite_scores(outlier_scores, "outlier")
    if nearest == values.size - 1:  # all inliers are accepted, and the tightest threshold will do
        return float((outliers <= values[nearest]).mean())
    return float((outliers < values[nearest + 1]).mean())


def auroc(inlier_scores: ArrayLike, outlier_scores: ArrayLike) -> float:
    """Return chance that an outlier scores above an inlier, ties counting half, in [0, 1]."""
    from sklearn.metrics import roc_auc_score  # half a second, and no answer needs it

    inliers, outliers = finite_scores(inlier_scores, "inlier"), finite_scores(outlier_scores, "outlier")
    is_outlier = np.concatenate([np.zeros(inliers.size), np.ones(outliers.size)])
    return float(roc_auc_score(is_outlier, np.concatenate([inliers, outliers])))


def calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """Return expected calibration error: |confidence - accuracy| averaged over equal-width bins.

    Args:
        confidence: the winning probabilities, (B,).
        right: whether the answers are, (B,).
    """
    correct = right.double()
    index = (confidence * bins).long().clamp(max=bins - 1)
    error = 0.0
    for i in range(bins):
        inside = index == i
        if inside.any():
            gap = (confidence[inside].double().mean() - correct[inside].mean()).abs()
            error += float(gap * inside.double().mean())
    return error


def calibration_error_by_chance(confidence: ArrayLike, bins: int = 15) -> float:
    """Return what ``calibration_error`` would be on average if each answer were right with its probability.

    Not 0: in a bin with few photos the fraction of right answers differs from its expectation by chance. A measured
    error matters only where it is well above this.

    Args:
        confidence: the winning probabilities, (B,).
    """
    sure = np.asarray(confidence, dtype=np.float64)
    index = np.minimum((sure * bins).astype(np.intp), bins - 1)
    right = np.random.default_rng(0).random((_DRAWS, sure.size)) < sure
    gaps = [np.abs((right - sure)[:, index == i].sum(axis=1)) for i in range(bins)]
    return float(np.sum(gaps, axis=0).mean() / sure.size)
