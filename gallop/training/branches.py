"""Teaching branches: features of the shots, gathered from all processes.

Prompts learn nothing from them and they learn nothing from prompts, so they are there before the first step.

Shapes: n shots, D joint width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from gallop.core.cosines import ensemble
from gallop.data import LabelledPhotos
from gallop.features.encoding import Cache, encode_centres
from gallop.model.branches.sums import KeptShots
from gallop.model.prompted import PromptModel
from gallop.model.scores import VERDICT
from gallop.model.similarities import Similarities
from gallop.training.loop import ALONE, Parallel

Shots: TypeAlias = dict[str, KeptShots]
"""All shots, by the name of the features that branches are linear in."""


def shots_for_branches(
    model: PromptModel, shots: LabelledPhotos, cache: Cache | None, parallel: Parallel
) -> Iterator[int | Shots]:
    """Yield how many of this process' photos have been encoded for them, and at last the features of all shots.

    Of each its centre crop, on which photos are answered, at every size at which the model looks: heads that learned
    from augmented views as well were less sure of photos that they had not seen, and less often right
    (benchmarks/settings.md).
    """
    mine = shots.take(range(parallel.rank, len(shots), parallel.processes))
    found, done = list[dict[str, Tensor]](), 0
    asked = mine if len(mine) else shots.take([0])  # which tells how wide its features are
    for some in encode_centres(model.backbone, asked.photos, cache, asked.hashes, model.sight):
        found.append(model.shot_features(some))
        done += min(len(some), len(mine))
        yield done
    parallel.go_on()  # all of them gather, or none
    labels = torch.tensor(shots.labels, dtype=torch.long)
    made: Shots = {}
    for name in found[0]:
        every = torch.cat([part[name] for part in found])[: len(mine), None]
        made[name] = KeptShots(parallel.gather(every, len(shots)).cpu(), labels)
    yield made


def all_shots(model: PromptModel, shots: LabelledPhotos, cache: Cache | None) -> Shots:
    """Return the features of all shots, without a word on the way."""
    *_, found = shots_for_branches(model, shots, cache, ALONE)
    assert not isinstance(found, int)
    return found


@dataclass(frozen=True)
class HeldOut:
    """What is said of shots that were not learned from: cosines of the prompts' ensemble (m, K), the scores of each
    branch (m, K), and GL-MCM (m,).
    """

    cosines: Tensor
    branches: tuple[Tensor, ...]
    ood: Tensor

    def take(self, chosen: Tensor) -> HeldOut:
        """Return some of the shots, by truth values (m,)."""
        return HeldOut(self.cosines[chosen], tuple(scores[chosen] for scores in self.branches), self.ood[chosen])

    @staticmethod
    def cat(parts: Sequence[HeldOut]) -> HeldOut:
        """Return all shots of the parts, in order."""
        there = all(part.branches for part in parts)  # of a fold with shots of one class alone there are none
        branches = zip(*(part.branches for part in parts), strict=True) if there else ()
        cosines, ood = torch.cat([part.cosines for part in parts]), torch.cat([part.ood for part in parts])
        return HeldOut(cosines, tuple(torch.cat(scores) for scores in branches), ood)


def answers_held_out(model: PromptModel, found: Similarities) -> HeldOut:
    """Return it of the similarities of a batch, whose branches are ``UNMIXED``."""
    cosines = ensemble(found.image_cosines, found.local(model.config.topk)).cpu()
    branches = tuple(own.cpu() * model.backbone.logit_scale for own in found.branch_scores.values())
    return HeldOut(cosines, branches, found.ood()[VERDICT].cpu())
