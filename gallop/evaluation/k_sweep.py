"""How often a model would be right at every other k, without learning again: k acts on cosines that are there already.

Shapes: B photos, K classes, R regions, M global and N local prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gallop.model.answers import combined
from gallop.model.similarities import Look, Similarities

_ROUNDS = 10  # of looking through all scales for better k: more than ever was needed


@dataclass(frozen=True)
class KSweep:
    """Right answers on B photos at k = 1, 2, ... R.

    Attributes:
        each: (N, R) where one local prompt has that k, and the others theirs.
        together: (R,) where all of them have it.
        photos: B.
    """

    each: NDArray[np.intp]
    together: NDArray[np.intp]
    photos: int


def sweep_k(similarities: Similarities, topk: Sequence[int], truth: Sequence[int]) -> KSweep:
    """Return how many photos are right at each k: the model's answers, except for ties in the last digit.

    Args:
        topk: the present k, one for each of at least one local prompt.
        truth: B class indices.
    """
    means = _means(similarities)
    return KSweep(
        each=np.stack([_right(similarities, _with(means, topk, n), truth) for n in range(len(topk))]),
        together=_right(similarities, means, truth),
        photos=len(truth),
    )


def better_k(similarities: Similarities, topk: Sequence[int], truth: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Return k with which more photos are right, or the present ones where there are none, and how many then are.

    Scale after scale takes the k that is right most often with the others as they are by then, of several the nearest
    to the one it had, until none moves. On the photos it was chosen on, such a k looks better than it is.
    """
    means = _means(similarities)
    best = [min(k, means.shape[2]) for k in topk]
    for _ in range(_ROUNDS):
        before = list(best)
        for n, k in enumerate(best):
            right = _right(similarities, _with(means, best, n), truth)
            if right.max() > right[k - 1]:
                most = np.flatnonzero(right == right.max()) + 1
                best[n] = int(most[np.abs(most - k).argmin()])
        if best == before:
            break
    return tuple(best), int(_right(similarities, _with(means, best, 0), truth)[best[0] - 1])


def _means(similarities: Similarities) -> Tensor:
    """Means of the best 1, 2, ... R cosines (B, K, R, N): sorted once. R is that of the first look; a second one enters
    with as many of its regions for each k.
    """

    def best(look: Look) -> Tensor:
        first = similarities.looks[0].region_cosines.shape[1]
        ranked = look.region_cosines.movedim(1, 2).double().topk(first, dim=2).values
        return ranked.cumsum(dim=2) / torch.arange(1, ranked.shape[2] + 1)[:, None]

    return similarities.mean(best)


def _with(means: Tensor, topk: Sequence[int], n: int) -> Tensor:
    """Local logits (B, K, R, N): of prompt n at every k, of the others at theirs."""
    most = means.shape[2]
    each = [means[:, :, slice(None) if p == n else [min(k, most) - 1] * most, p] for p, k in enumerate(topk)]
    return torch.stack(each, dim=-1)


def _right(similarities: Similarities, local: Tensor, truth: Sequence[int]) -> NDArray[np.intp]:
    """(R,) of local logits (B, K, R, N)."""
    branches = {name: scores.double().unsqueeze(-1) for name, scores in similarities.branch_scores.items()}
    global_ = similarities.image_cosines.double().unsqueeze(2)
    found = combined(global_, local, branches, similarities.branch_weights).argmax(dim=1)
    return np.asarray((found == torch.as_tensor(truth)[:, None]).sum(dim=0), dtype=np.intp)
