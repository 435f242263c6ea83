"""Answers to photos that are asked about together: each takes those of the photos most like it into account.

A photo that shows its class badly is often similar to one that shows it well. So the probabilities of a photo's nearest
neighbours are added, as votes, to the logarithms of its own, and the sum is normalised again, a few times over. This is
the inference of Ziko and others (2020, "Laplacian regularized few-shot learning", ICML, equation 7), with the
classifier's own answer in place of the distance to a prototype. Classes are not drawn towards equal sizes, so a rare
class keeps its photos, and a photo that is "none of these" has no vote.

Shapes: B photos, K classes, n neighbours, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEIGHBOURS, STRENGTH, ROUNDS = 3, 1.5, 10
"""Neighbours of each photo, the weight of a vote of the same picture, and how many times votes are counted; chosen
inside train folders, as benchmarks/settings.md says."""
FEW_TOGETHER = 16
"""Photos, fewer of which lose by votes: random piles of 8 lost 1.6 points."""


@dataclass(frozen=True)
class Together:
    """Answers of B photos that were asked about together, and what each is made of.

    ``log(probabilities) = own + votes.sum(axis=1)``, but for a constant of each photo.

    Attributes:
        probabilities: (B, K).
        own: (B, K) logarithms of the probabilities of each photo by itself.
        neighbours: (B, n) the photos most like it, the nearest first; n is less than ``NEIGHBOURS`` in a small pile.
        votes: (B, n, K) what each of them added to each class; zeros of one that is "none of these".
    """

    probabilities: NDArray[np.float32]
    own: NDArray[np.float32]
    neighbours: NDArray[np.int64]
    votes: NDArray[np.float32]


def answered_together(probabilities: ArrayLike, features: ArrayLike, unknown: ArrayLike | None = None) -> Together:
    """Return the answers of photos with the votes of their neighbours.

    A vote is the neighbour's probabilities, weighted by how similar the two photos are: the cosine of their features
    less the mean of the pile, where that is above 0.

    Args:
        probabilities: (B, K) of each photo by itself.
        features: (B, D) global features, of any length but zero.
        unknown: (B,) whether a photo is "none of these"; None where nothing is known of that.

    Raises:
        ValueError: not one feature for each photo.
    """
    from scipy.special import softmax
    from sklearn.neighbors import NearestNeighbors

    alone, points = np.asarray(probabilities, dtype=np.float32), np.asarray(features, dtype=np.float32)
    if len(points) != len(alone):
        raise ValueError(f"There are {len(alone)} photos, but features of {len(points)}. Pass both of the same photos.")
    unit = _unit(_unit(points) - _unit(points).mean(axis=0))
    own = np.log(np.maximum(alone, np.finfo(np.float32).tiny))
    near, cosines = np.zeros((len(alone), 0), dtype=np.int64), np.zeros((len(alone), 0), dtype=np.float32)
    if count := min(NEIGHBOURS, len(alone) - 1):
        distances, near = NearestNeighbors(n_neighbors=count).fit(unit).kneighbors()
        cosines = (1 - distances**2 / 2).astype(np.float32)
    known = np.ones(len(alone), np.float32) if unknown is None else 1 - np.asarray(unknown, dtype=np.float32)
    weights = STRENGTH * np.maximum(cosines, 0) * known[near]
    now: Any = alone
    votes: Any = None
    for _ in range(ROUNDS):
        votes = weights[:, :, None] * now[near]
        now = softmax(own + votes.sum(axis=1), axis=1)
    return Together(now, own, near, votes)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny))
