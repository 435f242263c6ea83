"""Cosines, top-k pooling and ensembling: pure functions on tensors.

Shapes: B images, K classes, R regions, M global prompts, N local prompts, D joint width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def global_cosines(images: Tensor, text: Tensor) -> Tensor:
    """Cosines (B, K, M) of image features (B, D) and text features (K, M, D); neither need be normalised."""
    images, text = F.normalize(images, dim=-1), F.normalize(text, dim=-1)
    return torch.einsum("bd,kmd->bkm", images, text)


def region_cosines(regions: Tensor, text: Tensor) -> Tensor:
    """Cosines (B, R, K, N) of projected regions (B, R, D) and text features (K, N, D); neither need be normalised."""
    classes, prompts, width = text.shape
    flat = F.normalize(text, dim=-1).reshape(classes * prompts, width)
    # Dividing the products by the regions' norms touches K * N numbers a region, normalising the regions D of them.
    norms = torch.linalg.vector_norm(regions, dim=-1, keepdim=True).clamp_min(1e-12)
    cosines: Tensor = (regions @ flat.T) / norms
    return cosines.reshape(*cosines.shape[:-1], classes, prompts)


def topk_mean(cosines: Tensor, topk: Sequence[int]) -> Tensor:
    """Local logits (B, K, N): for prompt n the mean of its top-k_n cosines (B, R, K, N) (paper, eq. 5).

    k is clamped to R. Raises ValueError unless there is one k per local prompt.
    """
    if len(topk) != cosines.shape[-1]:
        raise ValueError(f"{len(topk)} values of k were given for {cosines.shape[-1]} local prompts.")
    pooled = [
        cosines[..., n].topk(min(k, cosines.shape[1]), dim=1, sorted=False).values.mean(dim=1)
        for n, k in enumerate(topk)
    ]
    return torch.stack(pooled, dim=-1) if pooled else cosines.new_zeros(len(cosines), cosines.shape[2], 0)


def topk_regions(cosines: Tensor, k: int) -> Tensor:
    """Indices, best first, of the min(k, R) regions with the largest of the cosines (R,): exactly those pooled."""
    return cosines.topk(min(k, cosines.shape[0]), dim=0).indices


def ensemble(global_: Tensor, local: Tensor) -> Tensor:
    """(mean over M of (B, K, M) + mean over N of (B, K, N)) / 2; the global mean alone where N = 0."""
    if local.shape[-1] == 0:
        return global_.mean(dim=-1)
    return (global_.mean(dim=-1) + local.mean(dim=-1)) / 2
