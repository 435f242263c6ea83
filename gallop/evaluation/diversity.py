"""Whether prompts differ, and what each is worth: what they mean, where they look, and how answers change without them.

All of this starts at text features and stored similarities; no backbone runs. Prompts are numbered global ones first.

Shapes: B photos, K classes, R regions, M global and N local prompts, P = M or N prompts of one branch, D joint width,
C context tokens, T text width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gallop.model.similarities import Similarities
from gallop.predictions.predict import to_array

SILENT = 0.1
"""A prompt whose influence is below this fraction of its branch's average is called silent."""


AS_ONE = 0.99
"""From this cosine of text features on, two prompts, or several by their mean, answer as one."""


def text_cosines(text: Tensor) -> NDArray[np.float32]:
    """Return (P, P): cosines of two prompts' text features (K, P, D) of the same class, averaged over the classes.

    1 means that two prompts agree on every class. All prompts begin at 1.
    """
    unit = F.normalize(text, dim=-1)
    return to_array(torch.einsum("kpd,kqd->pq", unit, unit) / len(text))


def mean_of_pairs(matrix: NDArray[np.float32]) -> float | None:
    """Return the mean over two different prompts of (P, P); None for fewer than two."""
    pairs = matrix[np.triu_indices(len(matrix), k=1)]
    return float(pairs.mean()) if pairs.size else None


@dataclass(frozen=True)
class Diversity:
    """Mean pairwise cosines of the global and of the local prompts; None of either where it has fewer than two."""

    global_: float | None
    local: float | None

    def __repr__(self) -> str:
        return f"Diversity({self.words})"

    @property
    def words(self) -> str:
        """Return words such as "global prompts answer as one (mean cosine 0.999), local prompts differ (mean ...)"."""
        parts = [
            f"{kind} prompts {'answer as one' if cosine >= AS_ONE else 'differ'} (mean cosine {cosine:.3f})"
            for kind, cosine in (("global", self.global_), ("local", self.local))
            if cosine is not None
        ]
        return ", ".join(parts) or "one prompt of each kind"


def chosen_regions(similarities: Similarities, classes: Sequence[int], topk: Sequence[int]) -> NDArray[np.bool_]:
    """Return (B, N, R): whether a region is among the top-k of a local prompt, for one class index of each
    of B photos.
    """
    regions = similarities.looks[0].region_cosines[torch.arange(len(classes)), :, torch.as_tensor(classes)]  # (B, R, N)
    chosen = torch.zeros(regions.shape, dtype=torch.bool)
    for n, k in enumerate(topk):
        best = regions[:, :, n].topk(min(k, regions.shape[1]), dim=1).indices
        chosen[:, :, n].scatter_(1, best, torch.ones_like(best, dtype=torch.bool))
    return np.asarray(chosen.movedim(1, 2))


def overlaps(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (N, N): of the regions (B, N, R) that either of two prompts chose, the fraction that both did (Jaccard),
    averaged.

    Two scales cannot reach 1: where k = 5 lies within k = 20, it is 0.25 (``most_overlap``).
    """
    both = np.einsum("bnr,bmr->bnm", chosen.astype(np.int64), chosen.astype(np.int64))
    count = chosen.sum(axis=2)
    either = count[:, :, None] + count[:, None, :] - both
    mean: NDArray[np.float64] = (both / either).mean(axis=0)
    return mean


def most_overlap(topk: Sequence[int], regions: int) -> NDArray[np.float64]:
    """Return (N, N): the largest overlap that two scales allow, the smaller k over the larger."""
    k = np.minimum(np.asarray(topk, dtype=np.float64), regions)
    return np.minimum.outer(k, k) / np.maximum.outer(k, k)


@dataclass(frozen=True)
class Worth:
    """What one prompt does for the answers on B photos.

    Attributes:
        influence: how much its scores of the classes differ, as a multiple of its branch's average; see ``worths``.
        alone: photos that are right by this prompt alone.
        without: photos that are right without it; None where it is the only prompt of all.
        gained, lost: photos that become right, and wrong, when it is taken away.
    """

    influence: float
    alone: int
    without: int | None
    gained: int
    lost: int
    commonest: int

    @property
    def silent(self) -> bool:
        """Return whether it hardly tells the classes apart, so it cannot change an answer."""
        return self.influence < SILENT

    @property
    def ignorant(self) -> bool:
        """Alone it is right no more often than one who always names the commonest class."""
        return self.alone <= self.commonest

    @property
    def dead(self) -> bool:
        """It is silent or ignorant, so it takes part in every mean and gives it nothing."""
        return self.silent or self.ignorant


def worths(similarities: Similarities, topk: Sequence[int], truth: Sequence[int]) -> list[Worth]:
    """Return one for each of the M + N prompts.

    A prompt enters the score of a class as one term of its branch's mean, and what is equal for all classes drops out
    of the softmax. So its influence is the root mean square, over photos and classes, of its scores less their mean
    over the classes; 1 is what the prompts of its branch have on average.

    Args:
        truth: B class indices.
    """
    labels = torch.as_tensor(truth)
    local = similarities.local(topk)
    m, n = similarities.image_cosines.shape[-1], local.shape[-1]
    influence = torch.cat([_influences(similarities.image_cosines), _influences(local)]).tolist()
    right = similarities.logits_of(local).argmax(dim=-1) == labels
    commonest = int(labels.bincount().max())
    every = []
    for p in range(m + n):
        scores = similarities.image_cosines[..., p] if p < m else local[..., p - m]
        left = _without(similarities, local, p)
        then = right if left is None else left.argmax(dim=-1) == labels
        every.append(
            Worth(
                influence=influence[p],
                alone=int((scores.argmax(dim=-1) == labels).sum()),
                without=None if left is None else int(then.sum()),
                gained=int((then & ~right).sum()),
                lost=int((right & ~then).sum()),
                commonest=commonest,
            )
        )
    return every


def _influences(scores: Tensor) -> Tensor:
    """(P,) of scores (B, K, P), 1 on average; 1 each where none has any."""
    if scores.shape[-1] == 0:
        return scores.new_zeros(0)
    centred = scores - scores.mean(dim=1, keepdim=True)
    strength = centred.square().mean(dim=(0, 1)).sqrt()
    mean = strength.mean()
    return strength / mean if mean > 0 else torch.ones_like(strength)


def _without(similarities: Similarities, local: Tensor, prompt: int) -> Tensor | None:
    """The ensemble (B, K) without one prompt, of the branches that are not empty; None where no prompt is left."""
    m = similarities.image_cosines.shape[-1]
    rest = [p for p in range(m + local.shape[-1]) if p != prompt]
    left = similarities.image_cosines[..., [p for p in rest if p < m]], local[..., [p - m for p in rest if p >= m]]
    branches = [branch.mean(dim=-1) for branch in left if branch.shape[-1]]
    if not branches:
        return None
    return similarities.joined(torch.stack(branches).mean(dim=0))


@dataclass(frozen=True)
class Ensembling:
    """What M global prompts do together that one does not, on B photos.

    Attributes:
        spread: how far apart the prompts' scores of the true class lie: their standard deviation in a photo, averaged.
        disagree: photos that are not the same class to all of them.
        alone: for each prompt the photos that are right by it alone.
        together: photos that are right by the mean of all.
    """

    spread: float
    disagree: int
    alone: tuple[int, ...]
    together: int

    @property
    def best(self) -> int:
        """Of the best prompt alone; it was chosen on these photos, so the figure is optimistic."""
        return max(self.alone)


def ensembling(global_: Tensor, truth: Sequence[int]) -> Ensembling:
    """Return it from the cosines of the global prompts (B, K, M) and B class indices."""
    labels = torch.as_tensor(truth)
    answers = global_.argmax(dim=1)  # (B, M)
    mine = global_[torch.arange(len(labels)), labels]
    return Ensembling(
        spread=float(mine.double().std(dim=-1, correction=0).mean()),
        disagree=int((answers != answers[:, :1]).any(dim=-1).sum()),
        alone=tuple((answers == labels[:, None]).sum(dim=0).tolist()),
        together=int((global_.mean(dim=-1).argmax(dim=-1) == labels).sum()),
    )


@dataclass(frozen=True)
class Nearest:
    """A word of the vocabulary, and its distance to a learned token."""

    word: str
    distance: float


def nearest_words(
    contexts: Tensor, vocabulary: Sequence[str], embeddings: Tensor, most: int = 3
) -> list[list[list[Nearest]]]:
    """Return for each prompt and context token (P, C, T) the complete words whose embeddings (tokens, T) are nearest.

    Euclidean, as in CoOp (Zhou et al. 2022, table 4). Left out is what is no word: pieces of words, signs, and tokens
    that training never used, whose embedding is zero.
    """
    is_word = torch.tensor([word.endswith(" ") and word.strip().isalpha() and word.isascii() for word in vocabulary])
    candidates = torch.nonzero(is_word & (embeddings.norm(dim=-1) > 0).cpu()).flatten()
    exact = "donot_use_mm_for_euclid_dist"  # the faster way is off by a thousandth near zero
    distances = torch.cdist(contexts.flatten(0, 1).float(), embeddings[candidates].float(), compute_mode=exact)
    best = distances.topk(min(most, len(candidates)), largest=False)
    words = [
        [Nearest(vocabulary[int(candidates[i])].strip(), d) for i, d in zip(row.tolist(), near.tolist(), strict=True)]
        for row, near in zip(best.indices, best.values, strict=True)
    ]
    c = contexts.shape[1]
    return [words[start : start + c] for start in range(0, len(words), c)]
