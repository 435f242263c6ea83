"""A test in figures: how often a classifier is right, how sure it may be, and whether it notices what is none of these.

Every share comes with the interval in which it probably lies: with a few dozen photos it is wide, and shows it. All of
this starts at probabilities and scores that are there already; no tower runs.

Shapes: B photos, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from gallop.evaluation import metrics
from gallop.evaluation.intervals import Share

BINS = 10
"""Of the reliability diagram, equally wide."""
_DRAWS = 200


@dataclass(frozen=True)
class Bin:
    """Photos whose winning probability lies from ``low`` to ``high``: its mean, and how many of them are right."""

    low: float
    high: float
    confidence: float
    right: Share


@dataclass(frozen=True)
class Evaluation:
    """Answers for B labelled photos.

    Attributes:
        class_names: K names.
        truth: (B,) class indices.
        probabilities: (B, K).

    Raises:
        ValueError: no photo, or not one label for each.
    """

    class_names: tuple[str, ...]
    truth: NDArray[np.intp]
    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.truth.size == 0 or self.probabilities.shape != (self.truth.size, len(self.class_names)):
            raise ValueError(
                f"An evaluation needs at least one photo, a label for each, and {len(self.class_names)} probabilities; "
                f"got {self.truth.size} labels and probabilities {self.probabilities.shape}."
            )

    @cached_property
    def predicted(self) -> NDArray[np.intp]:
        """(B,) class indices."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def accuracy(self) -> Share:
        """Of all photos."""
        return _share(self.predicted == self.truth)

    @cached_property
    def per_class(self) -> dict[str, Share]:
        """How many of each class's photos are right; classes without a photo are left out."""
        return {
            name: _share(self.predicted[self.truth == k] == k)
            for k, name in enumerate(self.class_names)
            if (self.truth == k).any()
        }

    @cached_property
    def confusion(self) -> NDArray[np.int_]:
        """(K, K): photos that really are of the row's class and were said to be of the column's."""
        return np.asarray(confusion_matrix(self.truth, self.predicted, labels=range(len(self.class_names))))

    def cell(self, really: int, said: int) -> list[int]:
        """The photos of one cell of the confusion matrix, the most confident first."""
        found = np.flatnonzero((self.truth == really) & (self.predicted == said))
        return [int(i) for i in found[np.argsort(-self.probabilities[found, said], kind="stable")]]

    @cached_property
    def bins(self) -> tuple[Bin, ...]:
        """The reliability diagram: bins that hold photos, from the least sure to the surest."""
        confidence = self.probabilities.max(axis=1)
        index = np.minimum((confidence * BINS).astype(int), BINS - 1)
        right = self.predicted == self.truth
        return tuple(
            Bin(i / BINS, (i + 1) / BINS, float(confidence[index == i].mean()), _share(right[index == i]))
            for i in range(BINS)
            if (index == i).any()
        )

    @cached_property
    def calibration_error(self) -> float:
        """Expected calibration error over ``bins`` (``metrics.calibration_error``)."""
        return metrics.calibration_error(torch.from_numpy(self.probabilities), torch.from_numpy(self.truth), BINS)

    @cached_property
    def calibration_error_by_chance(self) -> float:
        """What the error would be on average if each answer were right exactly as often as it says it is.

        Not 0: in a bin with few photos the share that is right falls beside its expectation by chance. A measured
        error is worth a thought only where it is well above this.
        """
        confidence = self.probabilities.max(axis=1)
        index = np.minimum((confidence * BINS).astype(int), BINS - 1)
        right = np.random.default_rng(0).random((_DRAWS, confidence.size)) < confidence
        gaps = [np.abs((right - confidence)[:, index == i].sum(axis=1)) for i in range(BINS)]
        return float(np.sum(gaps, axis=0).mean() / confidence.size)


def _share(right: NDArray[np.bool_]) -> Share:
    return Share(int(right.sum()), right.size)


@dataclass(frozen=True)
class Separation:
    """How well one outlier score tells unknown photos from known ones.

    Attributes:
        auroc: chance that an unknown photo scores above a known one.
        fpr95: share of the unknown that pass for known where 95% of the known do (``metrics.fpr_at_tpr``).
        known_kept, unknown_kept: the ROC curve: shares of either that are not above a limit, as it rises.
    """

    auroc: float
    fpr95: float
    known_kept: NDArray[np.float64]
    unknown_kept: NDArray[np.float64]


def separation(known: ArrayLike, unknown: ArrayLike) -> Separation:
    """Of scores that are larger = more outlier.

    Raises:
        ValueError: either is empty or not finite.
    """
    auroc = metrics.auroc(known, unknown)
    inside, outside = np.asarray(known, dtype=np.float64), np.asarray(unknown, dtype=np.float64)
    is_known = np.concatenate([np.ones(inside.size), np.zeros(outside.size)])
    fpr, tpr, _ = roc_curve(is_known, -np.concatenate([inside, outside]))
    return Separation(auroc, metrics.fpr_at_tpr(inside, outside), tpr, fpr)


def separations(known: Mapping[str, ArrayLike], unknown: Mapping[str, ArrayLike]) -> dict[str, Separation]:
    """``separation`` of each score by name."""
    return {name: separation(known[name], unknown[name]) for name in known}


@dataclass(frozen=True)
class Suspect:
    """A photo whose label may be wrong: (index, class it has, class it looks like), and the probability of either."""

    photo: int
    given: int
    likely: int
    of_given: float
    of_likely: float


def suspects(probabilities: ArrayLike, labels: ArrayLike) -> list[Suspect]:
    """Labels that confident learning doubts, the most doubtful first (Northcutt, Jiang and Chuang, JAIR 2021).

    A class's own confidence is the mean probability that its photos have for it. A photo is a suspect when another
    class is the most probable of those whose own confidence it reaches.

    Args:
        probabilities: (B, K) by a model that did not learn from the photo.
        labels: (B,).
    """
    found, given = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.intp)
    usual = np.array([found[given == k, k].mean() if (given == k).any() else np.inf for k in range(found.shape[1])])
    reached = np.where(found >= usual, found, -1.0)
    likely = reached.argmax(axis=1)
    doubted = [
        Suspect(int(i), int(given[i]), int(likely[i]), float(found[i, given[i]]), float(found[i, likely[i]]))
        for i in np.flatnonzero((likely != given) & (reached.max(axis=1) >= 0))
    ]
    return sorted(doubted, key=lambda suspect: suspect.of_given - suspect.of_likely)
