"""GalLoP (Lafon et al., ECCV 2024, arXiv 2407.01400), read top to bottom: what is learned, the cosines, the loss, the
answer.

Shapes: B images, K classes, R regions, M global prompts, N local prompts, P = M + N, C context tokens, T text width,
D joint width, V region width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gallop.core import cosines, scores

EncodeText = Callable[[Tensor], Tensor]
"""Contexts (P, C, T) -> text features (K, P, D) of every class name after every context; differentiable."""


class Prompts(nn.Module):
    """What is learned: M global and N local contexts, and a projection of the regions (paper, section 3).

    Args:
        context: token embeddings (C, T) that every context starts from, or (P, C, T), of each, global ones first.
        region_width: V; the projection (V, V) starts as the identity and has no bias.
    """

    def __init__(self, context: Tensor, *, global_prompts: int, local_prompts: int, region_width: int) -> None:
        super().__init__()
        start = context.detach().float().expand(global_prompts + local_prompts, -1, -1)
        self.global_contexts = nn.Parameter(start[:global_prompts].clone())  # (M, C, T)
        self.local_contexts = nn.Parameter(start[global_prompts:].clone())  # (N, C, T)
        self.local_projection = nn.Parameter(torch.eye(region_width))  # (V, V)

    @property
    def sizes(self) -> tuple[int, int]:
        """(M, N)"""
        return len(self.global_contexts), len(self.local_contexts)

    def contexts(self) -> Tensor:
        """Return all contexts (P, C, T), global ones first."""
        return torch.cat([self.global_contexts, self.local_contexts])

    def projection(self, visual_projection: Tensor | None) -> Tensor:
        """Return the projection of regions to the joint space, (V, D): the learned one, then the backbone's where it
        has one. The two are multiplied first: one product over all regions instead of two.
        """
        weight = self.local_projection.T
        return weight if visual_projection is None else weight @ visual_projection.float()


@dataclass(frozen=True)
class TextFeatures:
    """Prompted text features, not normalised: ``global_`` (K, M, D) and ``local`` (K, N, D)."""

    global_: Tensor
    local: Tensor


class GalLoP(nn.Module):
    """Global and local prompts on the features of frozen encoders. Methods may be overridden one by one.

    Args:
        encode_text: contexts -> text features of the class names.
        prompts: what is learned.
        topk: one k a local prompt.
        kept: global prompts that prompt dropout keeps for an image: max(M - int(p M), 1) in the paper, whose p is 0.75.
        scale: exp of the encoders' logit scale.
        visual_projection: the backbone's, (V, D), after the learned projection of the regions; None without one.
    """

    visual_projection: Tensor | None

    def __init__(
        self,
        encode_text: EncodeText,
        prompts: Prompts,
        *,
        topk: Sequence[int] = (5, 10, 15, 20),
        kept: int = 1,
        scale: float = 100.0,
        visual_projection: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.encode_text, self.prompts = encode_text, prompts
        self.topk, self.kept, self.scale = tuple(topk), kept, scale
        self.register_buffer("visual_projection", visual_projection, persistent=False)

    @classmethod
    def of(cls, encoders: Any, class_names: Sequence[str], *, global_prompts: int = 4, **settings: Any) -> GalLoP:
        """Return the method on an encoder pair, started from "A photo of a" (paper, section 4).

        Args:
            encoders: a frozen vision-language model, such as ``gallop.load_backbone`` gives: ``text`` has
                ``embed(words)`` -> (C, T), ``tokenize(names, context_tokens=C)`` and ``encode(contexts, tokens)`` as
                ``EncodeText``; ``vision`` has ``region_width`` V, and ``region_projection`` (V, D), None where regions
                are in the joint space; ``logit_scale`` is the exp of CLIP's learned logarithm.
            settings: ``topk`` and ``kept``, as above.
        """
        context = encoders.text.embed("A photo of a")
        tokens = encoders.text.tokenize(class_names, context_tokens=len(context))
        topk, width = settings.setdefault("topk", (5, 10, 15, 20)), encoders.vision.region_width
        sizes = {"global_prompts": global_prompts, "local_prompts": len(topk), "region_width": width}
        prompts = Prompts(context, **sizes).to(context.device)
        frozen = {"scale": encoders.logit_scale, "visual_projection": encoders.vision.region_projection}
        return cls(lambda contexts: encoders.text.encode(contexts, tokens), prompts, **frozen, **settings)

    def text(self) -> TextFeatures:
        """Return the text features of every class after every context; gradients reach the contexts."""
        encoded, (m, _) = self.encode_text(self.prompts.contexts()).float(), self.prompts.sizes
        return TextFeatures(encoded[:, :m], encoded[:, m:])

    def image_cosines(self, global_: Tensor, text: TextFeatures) -> Tensor:
        """Return cosines (B, K, M) of images' features (B, D)."""
        return cosines.global_cosines(global_.float(), text.global_)

    def region_projection(self) -> Tensor:
        """Return the projection of regions to the joint space, (V, D) (paper, section 3.2)."""
        return self.prompts.projection(self.visual_projection)

    def region_cosines(self, regions: Tensor, text: TextFeatures) -> Tensor:
        """Return cosines (B, R, K, N) of regions' features (B, R, V)."""
        return cosines.region_cosines(regions, self.region_projection(), text.local)

    def pool(self, region_cosines: Tensor) -> Tensor:
        """Return local logits (B, K, N): means of the top-k regions (paper, eq. 5)."""
        return cosines.topk_mean(region_cosines, self.topk)

    def local_logits(self, regions: Tensor, text: TextFeatures) -> Tensor:
        """Return ``pool`` of ``region_cosines``, (B, K, N)."""
        return self.pool(self.region_cosines(regions, text))

    def draw(self, images: int, generator: torch.Generator | None = None) -> Tensor:
        """Return which global prompts are kept for each image, (B, kept) (paper, section 3.1)."""
        return draw_kept_prompts(images, len(self.prompts.global_contexts), self.kept, generator)

    def forward(self, global_: Tensor, regions: Tensor, text: TextFeatures | None = None) -> tuple[Tensor, Tensor]:
        """Return the cosines of images (B, D), (B, K, M), and of their regions (B, R, V), (B, R, K, N).

        Args:
            text: features of the classes after the current prompts, where they are already computed.
        """
        text = self.text() if text is None else text
        return self.image_cosines(global_, text), self.region_cosines(regions, text)

    def loss(self, global_: Tensor, regions: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Loss:
        """Return the training loss of images (B, D) and their regions (B, R, V) with class indices (B,).

        Args:
            generator: of prompt dropout, on the CPU.
        """
        text, kept = self.text(), self.draw(len(labels), generator)
        return gallop_loss(
            self.image_cosines(global_, text), self.local_logits(regions, text), labels, self.scale, kept
        )

    def probabilities(self, global_: Tensor, regions: Tensor) -> Tensor:
        """Return class probabilities (B, K): the softmax of both branches' mean cosine (paper, section 3)."""
        text = self.text()
        mean = cosines.ensemble(self.image_cosines(global_, text), self.local_logits(regions, text))
        return (mean * self.scale).softmax(dim=-1)

    def ood_score(self, global_: Tensor, regions: Tensor) -> Tensor:
        """Return GL-MCM (B,), larger for images of none of the classes (paper, section 4.3)."""
        images, places = self(global_, regions)
        return scores.gl_mcm(scores.Cosines(images.mean(dim=-1), places.mean(dim=-1)))


def draw_kept_prompts(images: int, prompts: int, kept: int, generator: torch.Generator | None = None) -> Tensor:
    """Return prompt dropout: (B, kept) indices of the global prompts kept for each image, without replacement.

    Every subset is equally likely, and images are independent (paper, section 3.1). The draw is made on the CPU, so
    that a seed means the same on every device.
    """
    return torch.rand(images, prompts, generator=generator).argsort(dim=1)[:, :kept]


@dataclass(frozen=True)
class Loss:
    """``total`` = ``global_`` + ``local``: scalars; ``local`` is zero where N = 0."""

    total: Tensor
    global_: Tensor
    local: Tensor

    def __add__(self, other: Loss) -> Loss:
        return Loss(self.total + other.total, self.global_ + other.global_, self.local + other.local)

    def __mul__(self, factor: float) -> Loss:
        return Loss(self.total * factor, self.global_ * factor, self.local * factor)


def gallop_loss(
    global_: Tensor, local: Tensor, labels: Tensor, scale: float, kept: Tensor, weights: Tensor | None = None
) -> Loss:
    """CE(scale x mean of kept global prompts) + mean over n of CE(scale x local logit of prompt n) (paper, eqs. 4, 6).

    Args:
        global_: cosines (B, K, M).
        local: top-k means (B, K, N).
        labels: class indices (B,).
        scale: exp(logit_scale) of the backbone.
        kept: indices (B, kept) into M.
        weights: (K,) of each class's images in the mean over B; None, as in the paper, is the plain mean.

    Raises:
        ValueError: ``kept`` is a mask, or its values are not integers.
    """
    if kept.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"kept is a tensor of {kept.dtype}; it must contain integers: the indices of the global prompts to "
            "keep, of shape (B, kept), as draw_kept_prompts returns them. To convert a mask that keeps the same "
            "number in each row, use mask.nonzero()[:, 1].view(len(mask), -1)."
        )
    index = kept.to(global_.device)[:, None, :].expand(-1, global_.shape[1], -1)
    global_loss = F.cross_entropy(scale * global_.gather(-1, index).mean(dim=-1), labels, weights)
    prompts = local.shape[-1]
    if prompts == 0:
        local_loss = global_loss.new_zeros(())
    else:
        # One cross-entropy for each prompt, averaged: the mean over B and N together is the same number.
        local_loss = F.cross_entropy(scale * local, labels[:, None].expand(-1, prompts), weights)
    return Loss(total=global_loss + local_loss, global_=global_loss, local=local_loss)
