"""What a phrase should point at in the joint space: regression from sentence embeddings onto the class directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Kernel", "Regression", "exponential", "held_out_accuracy", "pick_sense"]

Kernel = Callable[[Tensor], Tensor]
"""Of two unit vectors, by their cosine."""
RIDGE = 0.1
_RANK_COST = 0.02
"""Cosine that a meaning must gain for each place it is behind another in WordNet's order of frequency."""


def exponential(sharpness: float) -> Kernel:
    """exp(sharpness (cos - 1)), the Gaussian kernel on the sphere."""
    return lambda cosines: torch.exp(sharpness * (cosines - 1))


KERNEL = exponential(6.0)
"""What the shipped model was built with; ``compare_kernels.py`` compares it with others."""


class Regression:
    """Kernel ridge regression.

    ``views`` are several sentence embeddings of the same classes, each (classes, E) with unit norm: the bare name and
    the description together answer for bare phrases and for descriptions. ``directions`` (classes, D) are their values.
    """

    def __init__(
        self, views: Sequence[Tensor], directions: Tensor, kernel: Kernel = KERNEL, ridge: float = RIDGE
    ) -> None:
        self._known = torch.cat(list(views))
        self._kernel = kernel
        values = directions.double().repeat(len(views), 1)
        alike = kernel(self._known @ self._known.T).double()
        self._weights = torch.linalg.solve(alike + ridge * torch.eye(len(alike), dtype=torch.float64), values).float()

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Unit directions (n, D) of unit-norm embeddings (n, E)."""
        parts = [self._kernel(part @ self._known.T) @ self._weights for part in embeddings.split(4096)]
        return F.normalize(torch.cat(parts), dim=1)


def pick_sense(word: Tensor, meanings: Tensor) -> int:
    """Number of the meaning a bare word most likely has: near the word in the sentence encoder, and frequent.

    ``word`` (E) and ``meanings`` (n, E, the most frequent first) have unit norm. The encoder has read far more than the
    small corpus that WordNet counted: it knows that *jacket* is a garment rather than the wrapper of a book.
    """
    return int((meanings @ word - _RANK_COST * torch.arange(len(meanings))).argmax())


def held_out_accuracy(
    names: Tensor,
    descriptions: Tensor,
    directions: Tensor,
    kernel: Kernel = KERNEL,
    ridge: float = RIDGE,
    folds: int = 5,
    seed: int = 0,
) -> float:
    """Fraction of classes that the regression, fitted without them, puts nearest to themselves among those left out.

    Every class is left out once, a fifth at a time; its guess is that of its name and its description together.
    """
    order = torch.randperm(len(directions), generator=torch.Generator().manual_seed(seed))
    hits = 0
    for part in order.chunk(folds):
        rest = torch.ones(len(directions), dtype=torch.bool)
        rest[part] = False
        regression = Regression([names[rest], descriptions[rest]], directions[rest], kernel, ridge)
        guess = regression(names[part]) + regression(descriptions[part])
        hits += int(((guess @ directions[part].T).argmax(dim=1) == torch.arange(len(part))).sum())
    return hits / len(directions)
