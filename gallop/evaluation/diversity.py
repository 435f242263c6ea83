"""Whether prompts differ, and what each is worth: what they mean, where they look, and how answers change without them.

All of this starts at text features and stored similarities; no backbone runs. Prompts are numbered global ones first.

Shapes: B photos, K classes, R regions, M global and N local prompts, P = M or N prompts of one branch, D joint width,
C context tokens, T text width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gallop.core.gallop import TextFeatures
from gallop.model.answers import Answers
from gallop.model.similarities import Similarities
from gallop.predictions.predict import to_array
from gallop.wording import counted

SILENT = 0.1
"""A prompt whose influence is below this fraction of its branch's average is called silent."""
COINCIDE = 0.95
"""From this mean cosine of two prompts' text features on, the prompts of a kind coincide: they answer as one."""


WHAT_TO_DO = {
    (True, True): "One global prompt would do as well, and each local one adds its scale alone",
    (True, False): "One global prompt would do as well",
    (False, True): "Each local prompt adds its scale alone",
    (False, False): "Their scores are averaged",
}
"""By whether global and local prompts answer as one."""


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


@dataclass(frozen=True)
class FoundRegion:
    """A region of one of B photos, by index, its number and its cosine."""

    photo: int
    region: int
    score: float


def best_regions(similarities: Similarities, truth: Sequence[int], prompt: int, most: int = 4) -> list[FoundRegion]:
    """Return the region that a local prompt (counted from 0) finds most like a photo's own class, of the ``most`` of B
    photos where that cosine is highest, best first; ``truth`` are B class indices.
    """
    cosines = similarities.looks[0].region_cosines[
        torch.arange(len(truth)), :, torch.as_tensor(truth), prompt
    ]  # (B, R)
    best = cosines.max(dim=1)
    order = best.values.argsort(descending=True, stable=True)[:most].tolist()
    return [FoundRegion(i, int(best.indices[i]), float(best.values[i])) for i in order]


def best_photos(scores: Tensor, truth: Sequence[int], prompt: int, most: int = 4) -> list[int]:
    """Return up to ``most`` of B photos, by index, that one prompt of a branch gets right by its scores alone.

    First those that no other prompt of the branch gets right, then those whose class is furthest ahead of the next.

    Args:
        scores: (B, K, P), of the branch's prompts.
        truth: B class indices.
        prompt: counted from 0.
    """
    right = scores.argmax(dim=1) == torch.as_tensor(truth)[:, None]  # (B, P)
    others = (right.sum(dim=1) > 1).tolist()
    first = scores[..., prompt].topk(min(2, scores.shape[1]), dim=1).values  # one class has no next one
    ahead = (first[:, 0] - first[:, -1]).tolist()
    mine: list[int] = right[:, prompt].nonzero().flatten().tolist()
    return sorted(mine, key=lambda i: (others[i], -ahead[i]))[:most]


def overlaps(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (N, N): of the regions (B, N, R) that either of two prompts chose, the fraction that both did (Jaccard),
    averaged.

    Two scales cannot reach 1: where k = 5 lies within k = 20, it is 0.25.
    """
    both = np.einsum("bnr,bmr->bnm", chosen.astype(np.int64), chosen.astype(np.int64))
    count = chosen.sum(axis=2)
    either = count[:, :, None] + count[:, None, :] - both
    return np.asarray((both / either).mean(axis=0))


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


def worths(found: Answers, truth: Sequence[int]) -> list[Worth]:
    """Return one for each of the M + N prompts.

    A prompt enters the score of a class as one term of its branch's mean, and what is equal for all classes drops out
    of the softmax. So its influence is the root mean square, over photos and classes, of its scores less their mean
    over the classes; 1 is what the prompts of its branch have on average.

    Args:
        truth: B class indices.
    """
    labels = torch.as_tensor(truth)
    m, n = found.global_.shape[-1], found.local.shape[-1]
    influence = torch.cat([_influences(found.global_), _influences(found.local)]).tolist()
    right = found.scores.argmax(dim=-1) == labels
    commonest = int(labels.bincount().max())
    every = []
    for p in range(m + n):
        scores = found.global_[..., p] if p < m else found.local[..., p - m]
        left = _without(found, p)
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


def _without(found: Answers, prompt: int) -> Tensor | None:
    """The scores (B, K) without one prompt; None where no prompt is left."""
    m = found.global_.shape[-1]
    rest = [p for p in range(m + found.local.shape[-1]) if p != prompt]
    left = found.global_[..., [p for p in rest if p < m]], found.local[..., [p - m for p in rest if p >= m]]
    first, second = left if left[0].shape[-1] else left[::-1]  # those of one kind alone are averaged as global ones are
    return replace(found, global_=first, local=second).scores if rest else None


@dataclass(frozen=True)
class Ensembling:
    """What the prompts of one branch do together that one does not, on B photos.

    Attributes:
        photos: B.
        disagree: photos that are not the same class to all of them.
        only: for each prompt the photos that are right by it and by no other.
    """

    photos: int
    disagree: int
    only: tuple[int, ...]

    def in_words(self, kind: str) -> str:
        """Return what sets the prompts of a ``kind`` apart, such as "only global 2 is right on 3 of 24 photos"."""
        most = max(self.only, default=0)
        if most:
            return f"only {kind} {self.only.index(most) + 1} is right on {most} of {counted(self.photos, 'photo')}"
        if self.disagree:
            return f"they answer {self.disagree} of {counted(self.photos, 'photo')} differently"
        return f"the same answers to {counted(self.photos, 'photo')}"


def ensembling(scores: Tensor, truth: Sequence[int]) -> Ensembling:
    """Return it from the scores of one branch's prompts (B, K, P) and B class indices."""
    labels = torch.as_tensor(truth)
    answers = scores.argmax(dim=1)  # (B, P)
    right = answers == labels[:, None]
    return Ensembling(
        photos=len(labels),
        disagree=int((answers != answers[:, :1]).any(dim=-1).sum()),
        only=tuple(right[right.sum(dim=1) == 1].sum(dim=0).tolist()),
    )


@dataclass(frozen=True)
class Diversity:
    """How alike the prompts of each branch are: what every page, document and notebook says of it is decided here.

    Attributes:
        global_, local: mean pairwise cosines of the text features of a class; None with fewer than two prompts.
        prompts: M and N.
        answers: what global and local prompts answer to labelled photos, each alone; None where none were given.
    """

    global_: float | None
    local: float | None
    prompts: tuple[int, int]
    answers: tuple[Ensembling, Ensembling] | None = None

    def __repr__(self) -> str:
        return f"Diversity({self.words})"

    @property
    def words(self) -> str:
        """Return what is so, and what to do, without the last full stop; it begins with a capital letter.

        Such as "4 global prompts answer as one (cosine 0.999); 4 local prompts differ ...". Of equal prompts it is 1.
        """
        parts, kinds = [], (("global", self.global_, "answer as one"), ("local", self.local, "differ only in their k"))
        for b, (kind, cosine, same) in enumerate(kinds):
            if cosine is not None:
                told = f"{self.prompts[b]} {kind} prompts {same if self.as_one[b] else 'differ'} (cosine {cosine:.3f})"
                parts.append(told if self.answers is None else f"{told}: {self.answers[b].in_words(kind)}")
        if not parts:
            return "No two prompts of a kind, so nothing to compare"
        return f"{'; '.join(parts)}. {WHAT_TO_DO[self.as_one]}"

    @property
    def as_one(self) -> tuple[bool, bool]:
        """Return whether the global prompts, and the local ones but for their k, answer as one."""
        return (self.global_ or 0) >= COINCIDE, (self.local or 0) >= COINCIDE


def diversity_of(text: TextFeatures, found: Answers | None = None, truth: Sequence[int] = ()) -> Diversity:
    """Return how alike prompts are by their text features and, where there are any, by their answers to photos.

    Args:
        found, truth: of B photos; ``truth`` are B class indices.
    """
    cosines = [mean_of_pairs(text_cosines(features)) for features in (text.global_, text.local)]
    answers = None if found is None else (ensembling(found.global_, truth), ensembling(found.local, truth))
    return Diversity(cosines[0], cosines[1], (text.global_.shape[1], text.local.shape[1]), answers)
