"""What is fitted on held-out shots: the temperature of probabilities, and the limit for "none of these".

Torch and SciPy are loaded when a temperature is fitted: pages that move a limit need neither.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from torch import Tensor

PROMISED = 0.95
"""Share of the known photos that a threshold is found to keep."""


@dataclass(frozen=True)
class Calibration:
    """What was fitted on held-out shots.

    Attributes:
        temperature: divides the logits in probabilities; 1 is the paper's.
        threshold: GL-MCM above it means "none of these"; None when it could not be found or is void.
        note: why there is no threshold, why it is unreliable, or where else it came from; empty when it is sound.
        photos: how many held-out photos the threshold was found on, those that are nearly the same counted once; 0
            where it was not found so, or nobody has counted them.
    """

    temperature: float = 1.0
    threshold: float | None = None
    note: str = ""
    photos: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"the temperature is {self.temperature}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ValueError(f"the threshold is {self.threshold}")
        if self.photos < 0 or self.photos != int(self.photos):
            raise ValueError(f"the threshold was found on {self.photos!r} photos")

    @property
    def expected(self) -> tuple[float, float] | None:
        """In which share of new known photos probably lies that the threshold keeps: ``kept_range`` of its photos."""
        return None if self.threshold is None or not self.photos else kept_range(self.photos)

    @property
    def promise(self) -> str:
        """The same in words, such as "of new photos of the classes, 79 to 98 % are expected to pass (95 % interval,
        from 32 held-out photos)"; empty where nothing is known.
        """
        if self.expected is None:
            return ""
        low, high = (round(100 * share) for share in self.expected)
        found = f"95 % interval, from {self.photos} held-out photos"
        return f"of new photos of the classes, {low} to {high} % are expected to pass ({found})"


def kept_range(photos: int) -> tuple[float, float]:
    """Return the 95% interval of the share of new known photos that a threshold keeps which was found on so many.

    The threshold is the m-th smallest of n scores. Where known photos' scores are drawn independently, from whatever
    continuous distribution, the share of them below it is Beta(m, n + 1 - m) (order statistics; Wilks 1941): its mean
    is m / (n + 1). New photos that are unlike the shots are another distribution, of which this knows nothing.
    """
    from scipy.stats import beta

    place = _place(photos, PROMISED)
    low, high = beta.ppf([0.025, 0.975], place, photos + 1 - place)
    return float(low), float(high)


def finite_scores(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return scores as one flat array, at least one. Raises ValueError where there is none, or one is not finite."""
    array = np.asarray(values, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError(f"There are no {what} scores to measure.")
    if not np.isfinite(array).all():
        raise ValueError(f"Some {what} scores are not finite.")
    return array


def threshold_at_tpr(inlier_scores: ArrayLike, tpr: float = PROMISED) -> float:
    """Return the smallest threshold at which at least ``tpr`` of the inliers are not above it."""
    ordered = np.sort(finite_scores(inlier_scores, "inlier"))
    return float(ordered[_place(ordered.size, tpr) - 1])


def _place(scores: int, tpr: float) -> int:
    """Which of so many scores, from the smallest on and counted from 1, is the threshold."""
    # Rounded before the ceiling: 0.95 * 20 is 19.000000000000004 in floating point.
    return max(math.ceil(round(tpr * scores, 9)), 1)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature T in [0.05, 20] under which softmax(logits / T) makes the labels most probable (Guo et al.
    2017).

    A prior, log T ~ N(0, 1), holds it near the paper's 1 where there are few images: when all of them are right, the
    likelihood alone has no maximum, and every answer would be given at 100%.

    Args:
        logits: scale x cosines (B, K) of images that were not trained on.
        labels: class indices (B,).
    """
    import torch.nn.functional as F
    from scipy.optimize import minimize_scalar

    logits = logits.double()

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_t), labels, reduction="sum")) + log_t**2 / 2

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20.0)), method="bounded")
    return math.exp(float(found.x))
