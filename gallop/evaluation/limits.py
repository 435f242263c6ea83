"""What a limit for "none of these" does to photos of known and of unknown things, and whether it keeps its promise.

Scores are larger = more outlier; a photo is none of these where its score is ABOVE the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gallop.evaluation.intervals import Proportion
from gallop.model.calibration import PROMISED, threshold_at_tpr, unreliable

SURE = 0.01
"""A promise is called broken if the chance of so few photos passing is below this."""
REWORKED = 1e-5
"""A score that is computed again, such as in a browser, may differ by this much."""


@dataclass(frozen=True)
class AtLimit:
    """What a limit does.

    Attributes:
        accepted: known photos that pass; None without known photos.
        detected: unknown photos that do not; None without unknown photos.
        promised: fraction of the known photos that the limit was chosen to accept.
    """

    accepted: Proportion | None
    detected: Proportion | None
    promised: float = PROMISED

    @property
    def chance(self) -> float:
        """How often so few known photos, or fewer, would pass if each passed as promised (exact binomial test).

        The limit itself was chosen on few photos, so slightly fewer than promised usually pass: see ``SURE``. 1
        without known photos.
        """
        from scipy.stats import binomtest

        if self.accepted is None:
            return 1.0
        return float(binomtest(self.accepted.right, self.accepted.of, self.promised, alternative="less").pvalue)

    @property
    def doubt(self) -> str:
        """Return why the limit is unreliable, as a sentence; empty where it keeps its promise."""
        if self.accepted is None or self.chance >= SURE:  # else far fewer pass than were promised
            return ""
        return unreliable(
            f"{self.accepted.right} of {self.accepted.of} known test photos pass, but {100 * self.promised:.3g} % were "
            "promised"
        )


def at_limit(known: ArrayLike, unknown: ArrayLike, limit: float, promised: float = PROMISED) -> AtLimit:
    """Return what a limit does to the scores of known and of unknown photos, either of which may be none.

    Args:
        promised: fraction of the known photos that it was chosen to accept.
    """
    from gallop.model.answers import Rule  # with torch

    rule = Rule(threshold=limit)
    passes, fails = ~rule.verdict(_exact(known), None), rule.verdict(_exact(unknown), None)
    accepted, detected = (Proportion(int(some.sum()), some.size) if some.size else None for some in (passes, fails))
    return AtLimit(accepted, detected, promised)


def limit_of_tests(known: ArrayLike) -> float:
    """Return the strictest limit that ``PROMISED`` of these photos pass, even if their scores are recomputed.

    Raises:
        ValueError: there is no score, or one is not finite.
    """
    return threshold_at_tpr(known) + REWORKED


def cuts(scores: ArrayLike) -> NDArray[np.float64]:
    """Return a limit for every outcome there is, the strictest first: with each one the next photo passes, too.

    Args:
        scores: of at least one photo; those that are equal pass together.
    """
    values = np.unique(_exact(scores))
    room = max(float(np.ptp(values)) / 20, 10 * REWORKED)
    return np.concatenate([[values[0] - room], (values[1:] + values[:-1]) / 2, [values[-1] + room]])


def _exact(scores: ArrayLike) -> NDArray[np.float64]:
    """Not in single precision, in which a limit between two scores might be one of them."""
    return np.asarray(scores, dtype=np.float64).ravel()
