"""The parts of the answers for many photos that figures are computed from.

ImageNet's 50,000 photos would take 600 MB as probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gallop.config import HEADS

if TYPE_CHECKING:
    from gallop.predictions.predict import Predictions
else:
    Predictions = Any  # hints can be worked out (typing.get_type_hints) without loading it

ENSEMBLE, GLOBAL, LOCAL = "accuracy", "accuracy_global", "accuracy_local"
"""Names of accuracies: of the ensemble, and of either kind of prompts alone."""


def accuracy_of(branch: str) -> str:
    """Return what that of a branch beside the prompts is called, such as "accuracy_head"."""
    return f"accuracy_{HEADS[branch].title.replace(' ', '_')}"


@dataclass(frozen=True)
class ScoredAnswers:
    """The parts of the answers for B photos that figures are computed from.

    Attributes:
        predicted: ``ENSEMBLE`` and, with local prompts, ``GLOBAL`` and ``LOCAL``, with branches ``accuracy_of`` each
            and ``GLOBAL`` -> class numbers (B,).
        confidence: (B,) the probability of the ensemble's answer.
        ood: score -> (B,), larger = more outlier.
        is_ood: (B,) the verdicts; None without a threshold.
    """

    predicted: dict[str, NDArray[np.intp]]
    confidence: NDArray[np.float32]
    ood: dict[str, NDArray[np.float32]]
    is_ood: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.confidence)

    @staticmethod
    def of(predictions: Predictions, classes: Sequence[int] | None = None) -> ScoredAnswers:
        """Return the most probable of some classes, by their numbers in ascending order; None is for all.

        That is the answer of a model built with these classes alone: a class's cosines depend on no other class.
        """
        branches = {ENSEMBLE: predictions.probabilities}
        if predictions.probabilities_local is not None:
            branches |= {GLOBAL: predictions.probabilities_global, LOCAL: predictions.probabilities_local}
        if predictions.branches:
            branches |= {GLOBAL: predictions.probabilities_global}
            branches |= {accuracy_of(name): p for name, p in predictions.branches.items()}
        if classes is None:
            predicted = {branch: p.argmax(axis=1) for branch, p in branches.items()}
        else:
            numbers = np.asarray(classes)
            predicted = {branch: numbers[p[:, numbers].argmax(axis=1)] for branch, p in branches.items()}
        confidence = np.take_along_axis(predictions.probabilities, predicted[ENSEMBLE][:, None], axis=1)[:, 0]
        return ScoredAnswers(predicted, confidence, predictions.ood, predictions.is_ood)

    @staticmethod
    def cat(parts: Sequence[ScoredAnswers]) -> ScoredAnswers:
        """Return all photos of the parts, in order; one classifier's, at least one part."""
        verdicts = [part.is_ood for part in parts if part.is_ood is not None]
        return ScoredAnswers(
            {branch: np.concatenate([part.predicted[branch] for part in parts]) for branch in parts[0].predicted},
            np.concatenate([part.confidence for part in parts]),
            {score: np.concatenate([part.ood[score] for part in parts]) for score in parts[0].ood},
            np.concatenate(verdicts) if verdicts else None,
        )
