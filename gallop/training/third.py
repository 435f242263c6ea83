"""Teaching the third branch: features of the shots, gathered from all processes, to a head.

Prompts learn nothing from it and it learns nothing from them, so it is there before the first step.

Shapes: n shots, D as many values as a head knows of a photo, U channels of the cells, C of them that are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.backbones import Backbone
from gallop.config import HeadKind
from gallop.core.cosines import ensemble
from gallop.data import LabelledPhotos
from gallop.features.encoding import Cache, ImageFeatures, MemoryCache, encode_centres
from gallop.model import scores
from gallop.model.head.moments import main_channels, moment_values, moment_width, total_covariance
from gallop.model.head.sums import KeptShots, shot_features
from gallop.model.prompted import PromptModel
from gallop.model.similarities import Similarities
from gallop.training.loop import Parallel


def shots_for_heads(
    kind: HeadKind, backbone: Backbone, shots: LabelledPhotos, cache: Cache | None, parallel: Parallel
) -> Iterator[int | KeptShots]:
    """Yield how many of this process' photos have been encoded for it, and at last the features of all shots.

    Of each its centre crop, on which photos are answered, at every size at which ``backbone`` looks: heads that learned
    from augmented views as well were less sure of photos that they had not seen, and less often right
    (benchmarks/settings.md).

    Args:
        kind: of the head. Which channels one knows that knows covariances is worked out of all shots, whatever their
            classes, so folds share them.
    """
    mine = shots.take(range(parallel.rank, len(shots), parallel.processes))
    total, channels = _nothing(backbone) if kind == "covariance" else None, None
    cache = MemoryCache() if cache is None and total is not None else cache  # for photos are gone through twice
    found, done = list[Tensor](), 0
    for some in encode_centres(backbone, mine.photos, cache, mine.hashes):
        if total is None:
            found.append(shot_features(backbone, some))
        else:
            total += _total(backbone, some)
        done += len(some)
        yield done
    parallel.go_on()  # all of them gather, or none
    if total is not None:
        channels = main_channels(parallel.gather(total[None], parallel.processes).cpu().sum(dim=0))
        again = encode_centres(backbone, mine.photos, cache, mine.hashes)
        found = [shot_features(backbone, some, channels) for some in again]
    none = torch.empty(0, backbone.feature_sizes[-1] if channels is None else moment_values(channels))
    features = parallel.gather(torch.cat([none, *found])[:, None], len(shots))
    yield KeptShots(features.cpu(), torch.tensor(shots.labels, dtype=torch.long), channels)


def channels_of(backbone: Backbone, encoded: Iterable[ImageFeatures]) -> Tensor:
    """Return the channels (U, C) whose covariance a head knows, of its shots.

    They are those in which the cells of the shots vary most: what a tower knows of other photos would do less well.
    """
    total = _nothing(backbone)
    for some in encoded:
        total += _total(backbone, some)
    return main_channels(total)


def _nothing(backbone: Backbone) -> Tensor:
    width = moment_width(backbone)
    return torch.zeros(width, width, dtype=torch.double)


def _total(backbone: Backbone, some: ImageFeatures) -> Tensor:
    """Of the looks from which it answers."""
    return total_covariance(some.looks[: len(backbone.looks)]).double()


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
