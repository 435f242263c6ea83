"""A test in figures: how often a classifier is right, how sure it may be, and whether it notices what is none of these.

Every share comes with the interval in which it probably lies: with a few dozen photos it is wide, and shows it. All of
this starts at answers that are there already; no backbone runs.

Shapes: B photos, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from gallop.evaluation import metrics
from gallop.evaluation.intervals import Share
from gallop.evaluation.kept_answers import ENSEMBLE, KeptAnswers
from gallop.model.calibration import finite_scores

BINS = 10
"""Of the reliability diagram, equally wide."""


@dataclass(frozen=True)
class Bin:
    """Photos whose winning probability lies from ``low`` to ``high``: its mean, and how many of them are right."""

    low: float
    high: float
    confidence: float
    right: Share


@dataclass(frozen=True)
class Evaluation:
    """Answers for B labelled photos: ``gallop evaluate``, the benchmark and the app have their figures from here.

    Attributes:
        class_names: K names.
        truth: (B,) class indices.
        answers: for them.

    Raises:
        ValueError: no photo, or not one label for each.
    """

    class_names: tuple[str, ...]
    truth: NDArray[np.intp]
    answers: KeptAnswers

    def __post_init__(self) -> None:
        if not len(self.truth) == len(self.answers) > 0:
            raise ValueError(
                "An evaluation needs at least one photo, and a label for each; "
                f"got {len(self.truth)} labels and {len(self.answers)} answers."
            )

    @property
    def predicted(self) -> NDArray[np.intp]:
        """(B,) class indices."""
        return self.answers.predicted[ENSEMBLE]

    @cached_property
    def accuracies(self) -> dict[str, Share]:
        """Of all photos: ``ENSEMBLE`` and, with local prompts or branches, ``GLOBAL``, ``LOCAL`` and those of
        ``accuracy_of``.
        """
        return {branch: _share(said == self.truth) for branch, said in self.answers.predicted.items()}

    @property
    def accuracy(self) -> Share:
        return self.accuracies[ENSEMBLE]

    @property
    def tpr(self) -> float | None:
        """Share of the photos that are taken for known things, in [0, 1]; None without a threshold."""
        verdicts = self.answers.is_ood
        return None if verdicts is None else 1.0 - float(verdicts.mean())

    def against(self, unknown: KeptAnswers) -> dict[str, Separation]:
        """Return how well each score separates photos of none of the classes from these."""
        return {name: separation(scores, unknown.ood[name]) for name, scores in self.answers.ood.items()}

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
        """(K, K): photos of the row's class that were classified as the column's."""
        return np.asarray(confusion_matrix(self.truth, self.predicted, labels=range(len(self.class_names))))

    def cell(self, really: int, said: int) -> list[int]:
        """Return the photos of one cell of the confusion matrix, the most confident first."""
        found = np.flatnonzero((self.truth == really) & (self.predicted == said))
        return [int(i) for i in found[np.argsort(-self.answers.confidence[found], kind="stable")]]

    @cached_property
    def bins(self) -> tuple[Bin, ...]:
        """The reliability diagram: bins that hold photos, from the least sure to the surest."""
        confidence = self.answers.confidence
        index = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
        right = self.predicted == self.truth
        return tuple(
            Bin(i / BINS, (i + 1) / BINS, float(confidence[index == i].mean()), _share(right[index == i]))
            for i in range(BINS)
            if (index == i).any()
        )

    @cached_property
    def calibration_error(self) -> float:
        """Expected calibration error over ``bins`` (``metrics.calibration_error``)."""
        right = torch.from_numpy(self.predicted == self.truth)
        return metrics.calibration_error(torch.from_numpy(self.answers.confidence), right, BINS)

    @cached_property
    def calibration_error_by_chance(self) -> float:
        """What of it is chance (``metrics.calibration_error_by_chance``)."""
        return metrics.calibration_error_by_chance(self.answers.confidence, BINS)


def _share(right: NDArray[np.bool_]) -> Share:
    return Share(int(right.sum()), right.size)


@dataclass(frozen=True)
class Separation:
    """How well one outlier score separates unknown photos from known ones. Each figure is computed when it is read.

    Attributes:
        known, unknown: the scores of either, larger = more outlier.
    """

    known: NDArray[np.float64]
    unknown: NDArray[np.float64]

    @cached_property
    def auroc(self) -> float:
        """Chance that an unknown photo scores above a known one."""
        return metrics.auroc(self.known, self.unknown)

    @cached_property
    def fpr95(self) -> float:
        """Share of the unknown that pass for known where 95% of the known do (``metrics.fpr_at_tpr``)."""
        return metrics.fpr_at_tpr(self.known, self.unknown)

    @cached_property
    def fpr95_authors(self) -> float:
        """The same as the paper's code computes it (``metrics.authors_fpr_at_tpr``)."""
        return metrics.authors_fpr_at_tpr(self.known, self.unknown)

    @cached_property
    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ROC curve: shares of the known and of the unknown that are not above a limit, as it rises."""
        is_known = np.concatenate([np.ones(self.known.size), np.zeros(self.unknown.size)])
        fpr, tpr, _ = roc_curve(is_known, -np.concatenate([self.known, self.unknown]))
        return tpr, fpr


def separation(known: ArrayLike, unknown: ArrayLike) -> Separation:
    """Return the separation by scores that are larger = more outlier.

    Raises:
        ValueError: either is empty or not finite.
    """
    return Separation(finite_scores(known, "inlier"), finite_scores(unknown, "outlier"))


@dataclass(frozen=True)
class Suspect:
    """A photo whose label may be wrong: (index, class it has, class it looks like), and the probability of either.

    Attributes:
        usual: the mean probability that photos of the class it looks like have for that class.
    """

    photo: int
    given: int
    likely: int
    of_given: float
    of_likely: float
    usual: float


def suspects(probabilities: ArrayLike, labels: ArrayLike) -> list[Suspect]:
    """Return labels that confident learning doubts, the most doubtful first (Northcutt, Jiang and Chuang, JAIR 2021).

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
        Suspect(
            int(i),
            int(given[i]),
            int(likely[i]),
            float(found[i, given[i]]),
            float(found[i, likely[i]]),
            float(usual[likely[i]]),
        )
        for i in np.flatnonzero((likely != given) & (reached.max(axis=1) >= 0))
    ]
    return sorted(doubted, key=lambda suspect: suspect.of_given - suspect.of_likely)
