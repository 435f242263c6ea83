"""The training loss and prompt dropout: pure functions.

Shapes: B images, K classes, M global prompts, N local prompts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """``total`` = ``global_`` + ``local``: scalars; ``local`` is zero where N = 0."""

    total: Tensor
    global_: Tensor
    local: Tensor

    def __add__(self, other: Loss) -> Loss:
        return Loss(self.total + other.total, self.global_ + other.global_, self.local + other.local)

    def __mul__(self, share: float) -> Loss:
        return Loss(self.total * share, self.global_ * share, self.local * share)


def draw_kept_prompts(images: int, prompts: int, kept: int, generator: torch.Generator) -> Tensor:
    """Return prompt dropout: (B, kept) indices of the global prompts kept for each image, without replacement.

    Every subset is equally likely, and images are independent (paper, section 3.1). The draw is made on the CPU, so
    that a seed means the same on every device.
    """
    return torch.rand(images, prompts, generator=generator).argsort(dim=1)[:, :kept]


def gallop_loss(global_: Tensor, local: Tensor, labels: Tensor, scale: float, kept: Tensor) -> Loss:
    """CE(scale x mean of kept global prompts) + mean over n of CE(scale x local logit of prompt n) (paper, eqs. 4, 6).

    Args:
        global_: cosines (B, K, M).
        local: top-k means (B, K, N).
        labels: class indices (B,).
        scale: exp(logit_scale) of the backbone.
        kept: indices (B, kept) into M.

    Raises:
        ValueError: ``kept`` is a mask, or holds no whole numbers.
    """
    if kept.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"kept is a tensor of {kept.dtype}; it must hold the indices (B, kept) of the global prompts kept, "
            "as draw_kept_prompts returns them. A mask with as many in each row becomes "
            "mask.nonzero()[:, 1].view(len(mask), -1)."
        )
    index = kept.to(global_.device)[:, None, :].expand(-1, global_.shape[1], -1)
    global_loss = F.cross_entropy(scale * global_.gather(-1, index).mean(dim=-1), labels)
    prompts = local.shape[-1]
    if prompts == 0:
        local_loss = global_loss.new_zeros(())
    else:
        # One cross-entropy for each prompt, averaged: the mean over B and N together is the same number.
        local_loss = F.cross_entropy(scale * local, labels[:, None].expand(-1, prompts))
    return Loss(total=global_loss + local_loss, global_=global_loss, local=local_loss)
