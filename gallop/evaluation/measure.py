"""A test in figures: how often a classifier is right, how sure it may be, and whether it notices what is none of these.

Every proportion comes with the interval in which it probably lies, which is wide with a few dozen photos. All of this
starts at answers that are there already; no backbone runs.

Shapes: B photos, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from gallop.evaluation import metrics
from gallop.evaluation.changes import NOTICED, TESTED, Changes
from gallop.evaluation.intervals import Paired, Proportion
from gallop.evaluation.scored_answers import ENSEMBLE, GLOBAL, LOCAL, ScoredAnswers
from gallop.model.calibration import counted_once, finite_scores
from gallop.wording import html_table

BINS = 10
"""Of the reliability diagram, equally wide."""


@dataclass(frozen=True)
class Bin:
    """Photos whose winning probability lies from ``low`` to ``high``: its mean, and how many of them are right."""

    low: float
    high: float
    confidence: float
    right: Proportion


@dataclass(frozen=True)
class Evaluation:
    """Answers for B labelled photos: ``gallop evaluate``, the benchmark and the app have their figures from here.

    Attributes:
        class_names: K names.
        truth: (B,) class indices.
        answers: for them.
        unknown: answers for photos of none of the classes, by the name of their group.
        files: file names of the photos, where they are files.
        hashes: of held-out shots their content hashes, where these are known.
        groups: (B,) numbers that photos share which count as one in ``accuracy``; empty where each counts by itself.

    Raises:
        ValueError: no photo, or not one label for each.
    """

    class_names: tuple[str, ...]
    truth: NDArray[np.intp]
    answers: ScoredAnswers
    unknown: Mapping[str, ScoredAnswers] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    groups: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not len(self.truth) == len(self.answers) > 0:
            raise ValueError(
                "An evaluation needs at least one photo, and one label and one answer for each photo; got "
                f"{len(self.truth)} labels and {len(self.answers)} answers."
            )

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Return the class indices (B,) of the answers."""
        return self.answers.predicted[ENSEMBLE]

    @cached_property
    def accuracies(self) -> dict[str, Proportion]:
        """Of ``ENSEMBLE`` and, with local prompts or branches, of ``GLOBAL``, ``LOCAL`` and ``accuracy_of`` each."""
        groups = self.groups or range(len(self.truth))
        return {
            branch: Proportion(*counted_once((predicted == self.truth).tolist(), groups))
            for branch, predicted in self.answers.predicted.items()
        }

    @property
    def accuracy(self) -> Proportion:
        return self.accuracies[ENSEMBLE]

    @property
    def tpr(self) -> float | None:
        """Return the fraction of the photos that are taken for known things, in [0, 1]; None without a threshold."""
        verdicts = self.answers.is_ood
        return None if verdicts is None else 1.0 - float(verdicts.mean())

    @cached_property
    def separations(self) -> dict[str, dict[str, Separation]]:
        """Group of unknown photos -> OOD score -> how well it separates them from these."""
        return {group: self.against(others) for group, others in self.unknown.items()}

    def against(self, unknown: ScoredAnswers) -> dict[str, Separation]:
        """Return how well each OOD score separates photos of none of the classes from these."""
        return {name: separation(scores, unknown.ood[name]) for name, scores in self.answers.ood.items()}

    @cached_property
    def per_class(self) -> dict[str, Proportion]:
        """Return how many of each class's photos are right; classes without a photo are left out."""
        return {
            name: _proportion(self.predicted[self.truth == k] == k)
            for k, name in enumerate(self.class_names)
            if (self.truth == k).any()
        }

    @cached_property
    def confusion(self) -> NDArray[np.int_]:
        """Return counts (K, K) of photos of the row's class that were classified as the column's."""
        from sklearn.metrics import confusion_matrix

        return np.asarray(confusion_matrix(self.truth, self.predicted, labels=range(len(self.class_names))))

    def changes(self, before: Evaluation, than: str = "the model before") -> Changes:
        """Return what differs from an earlier model's evaluation on the same photos, each by its number.

        Raises:
            ValueError: other photos, or other labels.
        """
        names = [[each.class_names[k] for k in each.truth] for each in (before, self)]
        if names[0] != names[1]:
            raise ValueError("These evaluations cannot be compared: evaluate both models on the same labelled photos.")
        return Changes.of(before._by_photo, self._by_photo, than)

    @property
    def _by_photo(self) -> dict[str, dict[str, bool]]:
        right = {TESTED: self.predicted == self.truth}
        right |= {f"{NOTICED} ({name})": each.is_ood for name, each in self.unknown.items() if each.is_ood is not None}
        return {what: {str(i): bool(each) for i, each in enumerate(photos)} for what, photos in right.items()}

    def figures(self) -> dict[str, Any]:
        """Return the figures as plain numbers: accuracies, per class, the fraction that passes, FPR95 and AUROC."""
        accuracies = {branch: proportion.value for branch, proportion in self.accuracies.items()}
        return {
            "accuracy": accuracies[ENSEMBLE],
            "accuracy_global": accuracies.get(GLOBAL, accuracies[ENSEMBLE]),  # without local prompts it is the ensemble
            "accuracy_local": accuracies.get(LOCAL),
            **{name: value for name, value in accuracies.items() if name not in (ENSEMBLE, GLOBAL, LOCAL)},
            "interval": list(self.accuracy.interval),
            "calibration_error": self.calibration_error,
            "n": len(self.truth),
            "per_class": {name: proportion.value for name, proportion in self.per_class.items()},
            "tpr": self.tpr,
            "ood": {
                group: {
                    score: {"fpr95": each.fpr95, "fpr95_authors": each.fpr95_authors, "auroc": each.auroc}
                    for score, each in scores.items()
                }
                for group, scores in self.separations.items()
            },
            "n_ood": {group: len(others) for group, others in self.unknown.items()},
        }

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row a class, and one of all: photos, right, accuracy, low, high.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        proportions = {**self.per_class, "all": self.accuracy}
        rows = [(one.of, one.right, one.value, *one.interval) for one in proportions.values()]
        return pd.DataFrame(rows, pd.Index(proportions, name="class"), ["photos", "right", "accuracy", "low", "high"])

    def compare(self, other: Evaluation) -> Paired:
        """Return how two models differ on the same photos, in the same order: by how much, and McNemar's exact test.

        Labels and file names are compared, since the folder may have moved; the pixels behind them are not.

        Raises:
            ValueError: the other has other labels or file names.
        """
        labels, others = [[evaluation.class_names[k] for k in evaluation.truth] for evaluation in (self, other)]
        if labels != others or (self.files and other.files and self.files != other.files):
            raise ValueError(
                "Only evaluations of the same photos in the same order can be compared; their "
                f"{'labels' if labels != others else 'file names'} differ."
            )
        mine, theirs = self.predicted == self.truth, other.predicted == other.truth
        return Paired(*(int(some.sum()) for some in (mine & ~theirs, theirs & ~mine, mine & theirs, ~(mine | theirs))))

    def __repr__(self) -> str:
        low, high = self.accuracy.interval
        return (
            f"Evaluation({self.accuracy.right} of {self.accuracy.of} right, {self.accuracy.value:.1%}, "
            f"95% interval {low:.1%} to {high:.1%}, {len(self.class_names)} classes)"
        )

    def _repr_html_(self) -> str:
        rows = [
            (name, f"{one.right} of {one.of}", f"{one.value:.1%}", "{:.1%} to {:.1%}".format(*one.interval))
            for name, one in [*self.per_class.items(), ("all", self.accuracy)]
        ]
        return html_table(("class", "right", "accuracy", "95% interval"), rows)

    def cell(self, really: int, answered: int) -> list[int]:
        """Return the photos of one cell of the confusion matrix, the most confident first."""
        photos = np.flatnonzero((self.truth == really) & (self.predicted == answered))
        return [int(i) for i in photos[np.argsort(-self.answers.confidence[photos], kind="stable")]]

    @cached_property
    def bins(self) -> tuple[Bin, ...]:
        """Return the reliability diagram, as bins that contain photos, from the least sure to the surest."""
        confidence = self.answers.confidence
        index = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
        right = self.predicted == self.truth
        return tuple(
            Bin(i / BINS, (i + 1) / BINS, float(confidence[index == i].mean()), _proportion(right[index == i]))
            for i in range(BINS)
            if (index == i).any()
        )

    @cached_property
    def calibration_error(self) -> float:
        """Return the expected calibration error over ``bins`` (``metrics.calibration_error``)."""
        right = torch.from_numpy(self.predicted == self.truth)
        return metrics.calibration_error(torch.from_numpy(self.answers.confidence), right, BINS)

    @cached_property
    def calibration_error_by_chance(self) -> float:
        """Return what of it is chance (``metrics.calibration_error_by_chance``)."""
        return metrics.calibration_error_by_chance(self.answers.confidence, BINS)


def _proportion(right: NDArray[np.bool_]) -> Proportion:
    return Proportion(int(right.sum()), right.size)


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
        """Return the chance that an unknown photo scores above a known one."""
        return metrics.auroc(self.known, self.unknown)

    @cached_property
    def fpr95(self) -> float:
        """Return the fraction of the unknown that pass for known where 95% of the known do (``metrics.fpr_at_tpr``)."""
        return metrics.fpr_at_tpr(self.known, self.unknown)

    @cached_property
    def fpr95_authors(self) -> float:
        """The same as the paper's code computes it (``metrics.authors_fpr_at_tpr``)."""
        return metrics.authors_fpr_at_tpr(self.known, self.unknown)


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

    A class's usual confidence is the mean probability that its photos have for it. A photo is a suspect when another
    class is the most probable of those whose usual confidence it reaches.

    Args:
        probabilities: (B, K) by a model that did not learn from the photo.
        labels: (B,).
    """
    p, given = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.intp)
    usual = np.array([p[given == k, k].mean() if (given == k).any() else np.inf for k in range(p.shape[1])])
    reached = np.where(p >= usual, p, -1.0)
    likely = reached.argmax(axis=1)
    doubted = [
        Suspect(
            int(i),
            int(given[i]),
            int(likely[i]),
            float(p[i, given[i]]),
            float(p[i, likely[i]]),
            float(usual[likely[i]]),
        )
        for i in np.flatnonzero((likely != given) & (reached.max(axis=1) >= 0))
    ]
    return sorted(doubted, key=lambda suspect: suspect.of_given - suspect.of_likely)
