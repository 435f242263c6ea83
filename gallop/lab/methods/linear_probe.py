"""Linear probe: logistic regression on the image features, without a word of text (Radford et al., ICML 2021,
arXiv 2103.00020, appendix A.3).

Shapes: B images, K classes, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from gallop.config import MethodConfig
from gallop.data import LabelledPhotos
from gallop.features.encoding import ImageFeatures, Sight
from gallop.lab.methods.interface import Setup, centres, from_probabilities
from gallop.predictions.predict import Predictions
from gallop.setting import number_between

TOLERANCE = 1e-10
"""Of the gradient of the mean loss, at its largest. Where ``strength`` is 1000, weights cost so little that the loss is
all but flat: L-BFGS stops some way before the optimum, and where it stops moved accuracies by 1.6 points. Newton's
steps reach it."""


@dataclass(frozen=True)
class FittedProbe:
    """A logistic regression, and the names of its classes."""

    regression: LogisticRegression
    class_names: tuple[str, ...]

    def predict(self, features: ImageFeatures) -> Predictions:
        return from_probabilities(self.class_names, self.regression.predict_proba(_unit(features)).astype(np.float32))


def _unit(features: ImageFeatures) -> NDArray[np.float64]:
    """In double precision: in single, a gradient does not come down to ``TOLERANCE``. Looks are concatenated."""
    each = [F.normalize(look.global_.cpu().double(), dim=-1) for look in features.looks]
    return (each[0] if len(each) == 1 else torch.cat(each, dim=-1) / len(each) ** 0.5).numpy()


@dataclass(frozen=True)
class LinearProbe:
    """Logistic regression (multinomial, for two classes binary) on unit features of centre crops, at its optimum.

    Attributes:
        strength: scikit-learn's C: the loss, summed over images, is weighted by it against half the squared weights.
        detail: as GalLoP's: features of a second look at so many times the size are appended to those of the first.
    """

    learns: ClassVar[bool] = True

    strength: float = 100.0
    detail: float = 1.0

    def __post_init__(self) -> None:
        number_between("strength", self.strength, 1e-6, 1e9)
        MethodConfig(detail=self.detail)  # refuses what GalLoP does

    @property
    def sight(self) -> Sight:
        return Sight(MethodConfig(detail=self.detail).looks("answers"))

    def fit(self, shots: LabelledPhotos, setup: Setup) -> FittedProbe:
        regression = LogisticRegression(C=self.strength, solver="newton-cg", max_iter=1000, tol=TOLERANCE)
        features = _unit(centres(shots, setup, self.sight))
        return FittedProbe(regression.fit(features, np.array(shots.labels)), shots.class_names)
