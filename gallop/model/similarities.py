"""What is known of images once the towers have run, and every score of it.

Shapes: B images, K classes, R regions, M global prompts, N local prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from gallop.core import cosines
from gallop.core.scores import Cosines
from gallop.model import scores
from gallop.model.head.head import HeadScores


@dataclass(frozen=True)
class Similarities:
    """Everything that is known of images once the towers have run; nothing after this needs them again.

    Attributes:
        global_: cosines (B, K, M).
        regions: cosines (B, R, K, N).
        ood_regions: cosines (B, R, K) of each region averaged over local prompts; where N = 0 those of the global
            prompts with the unprojected regions, as GL-MCM does for prompts without regions of their own.
        head: what the head says of this look; None where there is none.
        finer: those of a second look at a larger size; None without one.
        share: of the second look in every score; 0 where it is there for its maps alone.
    """

    global_: Tensor
    regions: Tensor
    ood_regions: Tensor
    head: HeadScores | None = None
    finer: Similarities | None = None
    share: float = 0.5

    @staticmethod
    def cat(parts: Sequence[Similarities]) -> Similarities:
        """Return all images of the parts, in order."""
        finer = [p.finer for p in parts if p.finer is not None]
        heads = [p.head for p in parts if p.head is not None]
        return Similarities(
            torch.cat([p.global_ for p in parts]),
            torch.cat([p.regions for p in parts]),
            torch.cat([p.ood_regions for p in parts]),
            HeadScores.cat(heads) if heads else None,
            Similarities.cat(finer) if finer else None,
            parts[0].share,
        )

    def each(self, change: Callable[[Tensor], Tensor]) -> Similarities:
        """Return the same with every tensor changed, such as moved or in another order."""
        finer = None if self.finer is None else self.finer.each(change)
        return replace(
            self,
            global_=change(self.global_),
            regions=change(self.regions),
            ood_regions=change(self.ood_regions),
            head=None if self.head is None else replace(self.head, regions=change(self.head.regions)),
            finer=finer,
        )

    def of_classes(self, classes: Sequence[int]) -> Similarities:
        """Return those of some classes, by index, in this order."""
        chosen = list(classes)
        return replace(
            self,
            global_=self.global_[:, chosen],
            regions=self.regions[:, :, chosen],
            ood_regions=self.ood_regions[:, :, chosen],
            head=None if self.head is None else replace(self.head, regions=self.head.regions[:, :, chosen]),
            finer=None if self.finer is None else self.finer.of_classes(chosen),
        )

    @cached_property
    def looks(self) -> tuple[Similarities, ...]:
        """Those of each look alone, the finer one last."""
        return (self,) if self.finer is None else (replace(self, finer=None), self.finer)

    def together(self, of_look: Callable[[Similarities], Tensor]) -> Tensor:
        """Return what is worked out of each look, as a mean over the looks by their shares."""
        if self.finer is None:
            return of_look(self)
        return (1 - self.share) * of_look(self) + self.share * of_look(self.finer)

    @cached_property
    def ranked(self) -> tuple[Tensor, Tensor]:
        """Cosines (B, K, N, R), the largest first, and which regions they are: sorted once for every k. Of this look
        alone.
        """
        cosines, order = self.regions.movedim(1, -1).sort(dim=-1, descending=True, stable=True)
        return cosines, order

    @property
    def whole(self) -> Tensor:
        """Global cosines (B, K, M), the mean over the looks."""
        return self.together(lambda look: look.global_)

    def local(self, topk: Sequence[int]) -> Tensor:
        """Return top-k means (B, K, N), the mean over the looks."""
        return self.together(lambda look: cosines.topk_mean(look.regions, topk))

    def logits(self, topk: Sequence[int]) -> Tensor:
        """Return cosines of the ensemble (B, K), in which the head has its share."""
        return self.logits_of(self.local(topk))

    def logits_of(self, local: Tensor) -> Tensor:
        """Return the same of top-k means (B, K, N)."""
        return self.joined(cosines.ensemble(self.whole, local))

    @property
    def head_scores(self) -> Tensor | None:
        """The head's scores (B, K), the mean over the looks; None where there is none."""
        return None if self.head is None else self.together(_head_scores)

    def joined(self, prompts: Tensor) -> Tensor:
        """Return scores of the prompts (B, K), in which the head has its share where there is one."""
        if self.head is None:
            return prompts
        return (1 - self.head.weight) * prompts + self.head.weight * self.together(_head_scores)

    def ood(self) -> dict[str, Tensor]:
        """Return the OOD scores by name, each (B,), the mean over the looks."""
        first, *finer = (scores.ood_scores(Cosines(look.global_.mean(dim=-1), look.ood_regions)) for look in self.looks)
        if not finer:
            return first
        return {name: (1 - self.share) * score + self.share * finer[0][name] for name, score in first.items()}


def _head_scores(look: Similarities) -> Tensor:
    assert look.head is not None  # a head says something of every look
    return look.head.scores
