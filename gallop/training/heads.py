"""Teaching the head: features of the shots, gathered from all processes, to a head.

Prompts learn nothing from it and it learns nothing from them, so it is there before the first step.

Shapes: n shots, D joint width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.core.cosines import ensemble
from gallop.data import LabelledPhotos
from gallop.features.encoding import Cache, encode_centres
from gallop.model import scores
from gallop.model.head.sums import KeptShots, shot_features
from gallop.model.prompted import PromptModel
from gallop.model.similarities import Similarities
from gallop.training.loop import Parallel


def shots_for_heads(
    backbone: Backbone, shots: LabelledPhotos, cache: Cache | None, parallel: Parallel
) -> Iterator[int | KeptShots]:
    """Yield how many of this process' photos have been encoded for it, and at last the features of all shots.

    Of each its centre crop, on which photos are answered, at every size at which ``backbone`` looks: heads that learned
    from augmented views as well were less sure of photos that they had not seen, and less often right
    (benchmarks/settings.md).
    """
    mine = shots.take(range(parallel.rank, len(shots), parallel.processes))
    found, done = [torch.empty(0, backbone.feature_sizes[-1])], 0
    for some in encode_centres(backbone, mine.photos, cache, mine.hashes):
        found.append(shot_features(backbone, some))
        done += len(some)
        yield done
    parallel.go_on()  # all of them gather, or none
    features = parallel.gather(torch.cat(found)[:, None], len(shots))
    yield KeptShots(features.cpu(), torch.tensor(shots.labels, dtype=torch.long))


@dataclass(frozen=True)
class HeldOut:
    """What is said of shots that were not learned from: cosines of the prompts' ensemble (m, K), the head's own scores
    (m, K), and GL-MCM (m,).
    """

    cosines: Tensor
    head: Tensor | None
    ood: Tensor

    def take(self, chosen: Tensor) -> HeldOut:
        """Return some of the shots, by truth values (m,)."""
        return HeldOut(self.cosines[chosen], None if self.head is None else self.head[chosen], self.ood[chosen])


def answers_held_out(model: PromptModel, found: Similarities) -> HeldOut:
    """Return it of the similarities of a batch, whose head is ``UNMIXED``."""
    cosines = ensemble(found.whole, found.local(model.config.topk)).cpu()
    own = None if found.head_scores is None else found.head_scores.cpu() * model.backbone.logit_scale
    return HeldOut(cosines, own, found.ood()[scores.VERDICT].cpu())
