"""Which photo to label next: the one whose label the classifier misses most, by two rules that take turns.

U photos have no label and L have one. Nothing here runs a backbone: probabilities and features come in.

Shapes: U and L photos, K classes, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNCERTAIN, UNLIKE = "uncertain", "unlike"


@dataclass(frozen=True)
class Asked:
    """A photo to label.

    Attributes:
        photo: which of the U.
        why: ``UNCERTAIN`` or ``UNLIKE``, the rule that took it.
        best, second: its two most probable classes; the same one where there is one class alone.
        margin: how much more probable the first is than the second.
        distance: 1 - cosine to the nearest photo that has a label or was asked before; 1 where there is none.
    """

    photo: int
    why: str
    best: int
    second: int
    margin: float
    distance: float


def next_to_label(probabilities: ArrayLike, features: ArrayLike, labelled: ArrayLike, count: int = 4) -> list[Asked]:
    """Return up to ``count`` photos in the order in which their labels are worth asking for.

    Two rules take turns, since either alone asks for much of the same. The first takes the photo with the smallest
    margin between its two most probable classes (Scheffer and others, 2001, "Active hidden Markov models for
    information extraction"): a label there moves the border between two classes. The second takes the photo that is
    farthest, by the cosine of features, from every photo that has a label or was asked for before (k-center greedy;
    Sener and Savarese, 2018, "Active learning for convolutional neural networks: a core-set approach"): it
    represents photos that no label covers yet. Of equals the first in order is taken.

    Args:
        probabilities: (U, K).
        features: (U, D), such as ``ImageFeatures.global_``; of any length but zero.
        labelled: (L, D) of the photos that have a label; L may be 0.
    """
    by_class, unit = np.asarray(probabilities, dtype=np.float64), _unit(features)
    known = _unit(labelled)
    if len(by_class) != len(unit):
        raise ValueError(
            f"There are probabilities for {len(by_class)} photos, but features for {len(unit)}. Pass both for the same "
            "photos."
        )
    if not len(by_class):
        return []
    order = np.argsort(-by_class, axis=1, kind="stable")
    best, second = order[:, 0], order[:, min(1, by_class.shape[1] - 1)]
    rows = np.arange(len(by_class))
    margin = by_class[rows, best] - by_class[rows, second]
    nearest = 1 - (unit @ known.T).max(axis=1) if len(known) else np.ones(len(unit))
    left = np.ones(len(unit), dtype=bool)
    asked = []
    for turn in range(min(count, len(unit))):
        why = UNLIKE if turn % 2 else UNCERTAIN
        worth = nearest if why == UNLIKE else -margin
        photo = int(np.where(left, worth, -np.inf).argmax())
        chosen = int(best[photo]), int(second[photo]), float(margin[photo])
        asked.append(Asked(photo, why, *chosen, float(nearest[photo])))
        left[photo] = False
        nearest = np.minimum(nearest, 1 - unit @ unit[photo])
    return asked


def _unit(features: ArrayLike) -> NDArray[np.float64]:
    vectors = np.asarray(features, dtype=np.float64)
    if vectors.size == 0:
        return np.zeros((0, 0))
    unit: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
