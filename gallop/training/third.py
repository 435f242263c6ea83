"""Teaching the third branch: features of the shots and their views, gathered from all processes, to a head.

Prompts learn nothing from it and it learns nothing from them, so it is there before the first step.

Shapes: n shots, S views of each, D joint width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.data import LabelledPhotos
from gallop.features.encoding import BATCH, Cache, TrainingViews, encode_centres
from gallop.model import scores, similarity
from gallop.model.gallop import GalLoP, Similarities
from gallop.model.head.sums import KeptShots, shot_features
from gallop.training.loop import Parallel


def shots_for_heads(
    views: TrainingViews, shots: LabelledPhotos, cache: Cache | None, parallel: Parallel
) -> Iterator[int | KeptShots]:
    """Yield how many of this process' photos have been encoded for it, and at last the features of all shots.

    The views of a shot are its centre crop, on which photos are answered, and the augmented ones that are kept; where
    each step draws fresh ones, the centre crop alone.
    """
    own = torch.arange(len(shots))[parallel.rank :: parallel.processes]
    mine, done = shots.take(own.tolist()), 0
    centres: list[Tensor] = []
    for encoded in encode_centres(views.backbone, mine.photos, cache, mine.hashes):
        centres.append(shot_features(views.backbone, encoded))
        done += len(encoded)
        yield done
    parts = [torch.cat(centres) if centres else torch.empty(0, views.backbone.feature_sizes[-1])]
    for view in range(views.count):
        some = [shot_features(views.backbone, views.batch(batch, view)) for batch in torch.split(own, BATCH)]
        parts.append(torch.cat(some) if some else parts[0])
    parallel.go_on()  # all of them gather, or none
    features = parallel.gather(torch.stack(parts, dim=1), len(shots))
    yield KeptShots(features.cpu(), torch.tensor(shots.labels, dtype=torch.long))


@dataclass(frozen=True)
class HeldOut:
    """What is said of shots that were not learned from: cosines of the prompts' ensemble (m, K), the head's own scores
    (m, K), and GL-MCM (m,).
    """

    cosines: Tensor
    head: Tensor | None
    ood: Tensor


def answers_held_out(model: GalLoP, found: Similarities) -> HeldOut:
    """Return it of the similarities of a batch, whose head is ``UNMIXED``."""
    cosines = similarity.ensemble(found.global_, found.local(model.config.topk)).cpu()
    own = None if found.head is None else found.head.scores.cpu() * model.backbone.logit_scale
    return HeldOut(cosines, own, found.ood()[scores.VERDICT].cpu())
