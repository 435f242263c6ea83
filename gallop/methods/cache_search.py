"""The search for a cache's alpha and beta on held-out shots, as Tip-Adapter's authors search for them.

Their code (github.com/gaopengcuhk/Tip-Adapter, ``search_hp``) takes the pair that is right most often on validation
photos, which a set of a few shots has not: here the shots are held out in turn, and a cache of the others votes on
them.

Shapes: b held-out images, K classes, n shots in a cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.data import LabelledPhotos, stratified_folds
from gallop.features.encoding import ImageFeatures
from gallop.methods.interface import Setup, centres

WEIGHTS = tuple(2.0**power for power in range(-3, 10))
"""Candidates for alpha. The authors' end at 3, for CLIP, which reads better than small text towers do."""
SHARPNESSES = (0.5, 1.0, 2.0, 3.0, 4.0, 5.5, 7.5, 10.0, 14.0, 20.0)
"""Candidates for beta; the authors' end at 7."""


@dataclass(frozen=True)
class Fold:
    """Shots that are held out, and those that are not.

    Attributes:
        rest: indices of the others.
        features: of the held-out photos' centre crops, as they are asked about.
        labels: class indices (b,).
    """

    rest: Tensor
    features: ImageFeatures
    labels: Tensor


def held_out(shots: LabelledPhotos, setup: Setup, folds: int) -> list[Fold]:
    """Return the shots in stratified folds; none where no class has a second photo, or ``folds`` is 0."""
    parts = stratified_folds(shots.labels, folds, seed=setup.seed) if folds else []
    if len(parts) < 2:
        return []
    features, labels = centres(shots, setup), torch.tensor(shots.labels)
    found = []
    for part in parts:
        rest = torch.ones(len(shots), dtype=torch.bool)
        rest[part] = False
        found.append(Fold(rest.nonzero()[:, 0], features[torch.tensor(part)], labels[part]))
    return found


@dataclass(frozen=True)
class Votes:
    """What a cache is asked and finds, before alpha and beta.

    Attributes:
        text: logits of the text (b, K).
        affinity: cosines with the keys (b, n).
        values: (n, K).
        labels: what the images are (b,).
    """

    text: Tensor
    affinity: Tensor
    values: Tensor
    labels: Tensor


def votes_of(affinity: Tensor, values: Tensor, sharpness: float) -> Tensor:
    """exp(-beta (1 - cosine)) summed over the shots of each class: (b, K)."""
    return (-sharpness * (1 - affinity)).exp() @ values


def search(asked: Sequence[Votes]) -> tuple[float, float]:
    """Return alpha and beta with which most held-out images are right; of equals, those under which it is likeliest."""
    labels = torch.cat([one.labels for one in asked])
    best, found = (-1, 0.0), (0.0, 0.0)
    for sharpness in SHARPNESSES:
        votes = [votes_of(one.affinity, one.values, sharpness) for one in asked]
        for weight in WEIGHTS:
            logits = torch.cat([one.text + weight * vote for one, vote in zip(asked, votes, strict=True)])
            right = int((logits.argmax(dim=-1) == labels).sum())
            score = right, -float(F.cross_entropy(logits, labels))
            if score > best:
                best, found = score, (weight, sharpness)
    return found
