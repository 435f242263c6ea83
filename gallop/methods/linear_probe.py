"""Linear probe: logistic regression on the image features, without a word of text (Radford et al., ICML 2021,
arXiv 2103.00020, appendix A.3).

Shapes: B images, K classes, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from gallop.data import LabelledPhotos
from gallop.features.encoding import ImageFeatures, encode_centres
from gallop.methods.interface import Setup, Work, from_probabilities
from gallop.predictions.predict import Predictions
from gallop.setting import number_between


@dataclass(frozen=True)
class FittedProbe:
    """A logistic regression, and the names of its classes."""

    regression: LogisticRegression
    class_names: tuple[str, ...]

    def predict(self, features: ImageFeatures) -> Predictions:
        """Return answers for B images, with MSP."""
        found = self.regression.predict_proba(_unit(features))
        return from_probabilities(self.class_names, found.astype(np.float32))


def _unit(features: ImageFeatures) -> NDArray[np.float64]:
    """In double precision, in which L-BFGS comes closer to the optimum."""
    return F.normalize(features.global_.double(), dim=-1).cpu().numpy()


@dataclass(frozen=True)
class LinearProbe:
    """Logistic regression (multinomial, for two classes binary) on unit features of centre crops, fitted with L-BFGS.

    Attributes:
        strength: scikit-learn's C: the loss, summed over images, is weighted by it against half the squared weights.
    """

    learns: ClassVar[bool] = True

    strength: float = 100.0

    def __post_init__(self) -> None:
        number_between("strength", self.strength, 1e-6, 1e9)

    def fit(self, shots: LabelledPhotos, setup: Setup) -> FittedProbe:
        """Fit; the same on every run."""
        features = ImageFeatures.cat(list(encode_centres(setup.backbone, shots.photos, setup.cache, shots.hashes)))
        regression = LogisticRegression(C=self.strength, max_iter=5000, tol=1e-6)
        regression.fit(_unit(features), np.array(shots.labels))
        return FittedProbe(regression, shots.class_names)

    def work(self, photos: int) -> Work:
        """Return one view of each photo; L-BFGS takes no time beside it."""
        return Work(kept=photos)
