"""Which photos to label next: of those that a classifier can least decide between two classes, unlike ones.

Nothing here runs a backbone: probabilities and features come in.

Shapes: U photos without a label, K classes, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

Photo = TypeVar("Photo")
CHOICE = 2
"""Of so many times as many uncertain photos as are asked for, unlike ones are taken."""


@dataclass(frozen=True)
class Asked(Generic[Photo]):
    """A photo to label.

    Attributes:
        photo: the photo, as it was given; its index where no photos were given.
        index: which of the U it is.
        best, second: its two most probable classes; the same one where there is one class alone.
        margin: how much more probable the first is than the second.
    """

    photo: Photo
    index: int
    best: int
    second: int
    margin: float


@overload
def next_to_label(
    probabilities: ArrayLike, features: ArrayLike | None, count: int = 10, photos: None = None
) -> list[Asked[int]]: ...
@overload
def next_to_label(
    probabilities: ArrayLike, features: ArrayLike | None, count: int = 10, *, photos: Sequence[Photo]
) -> list[Asked[Photo]]: ...
def next_to_label(
    probabilities: ArrayLike, features: ArrayLike | None, count: int = 10, photos: Sequence[Any] | None = None
) -> list[Asked[Any]]:
    """Return up to ``count`` photos in the order in which their labels are worth asking for.

    The ``CHOICE`` x ``count`` photos with the smallest margin between their two most probable classes (Scheffer and
    others, 2001, "Active hidden Markov models for information extraction") would teach most one by one, but many of
    them ask the same. So the least certain one is taken, and then each time the one of these that is farthest, by the
    cosine of features, from those that were taken (k-center greedy; Sener and Savarese, 2018, "Active learning for
    convolutional neural networks: a core-set approach"). Of equals the less certain one is taken. It was chosen
    inside the train folders of eight sets, where it taught more than random photos and than either rule alone:
    benchmarks/README.md has the figures.

    Args:
        probabilities: (U, K).
        features: (U, D), such as ``ImageFeatures.global_`` or ``Predictions.embeddings``; of any length but zero.
        photos: the U photos in the same order, such as paths; they are not opened, only returned.

    Raises:
        ValueError: probabilities, features and photos that differ in number, or no features.
    """
    if features is None:
        raise ValueError("These answers come without features of their photos. Get them from predict_all.")
    by_class, vectors = np.asarray(probabilities, dtype=np.float64), np.asarray(features, dtype=np.float64)
    given = range(len(by_class)) if photos is None else photos
    if not len(by_class) == len(vectors) == len(given):
        raise ValueError(
            f"There are {len(given)} photos, probabilities for {len(by_class)} of them, and features for "
            f"{len(vectors)}. Pass all of them for the same photos."
        )
    if not len(by_class):
        return []
    order = np.argsort(-by_class, axis=1, kind="stable")
    best, second = order[:, 0], order[:, min(1, by_class.shape[1] - 1)]
    rows = np.arange(len(by_class))
    margin = by_class[rows, best] - by_class[rows, second]
    unsure = np.argsort(margin, kind="stable")[: CHOICE * count]
    unit = vectors[unsure] / np.linalg.norm(vectors[unsure], axis=1, keepdims=True)
    distance, asked = np.full(len(unit), 2.0), list[Asked[Any]]()  # to the nearest one taken; 2 is the most there is
    while len(asked) < min(count, len(unit)):
        row = int(distance.argmax())
        index = int(unsure[row])
        asked.append(Asked(given[index], index, int(best[index]), int(second[index]), float(margin[index])))
        distance = np.minimum(distance, 1 - unit @ unit[row])
        distance[row] = -np.inf
    return asked
