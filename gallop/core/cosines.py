"""Cosines, top-k pooling and ensembling in their plain form: pure functions, differentiable in every argument.

``gallop.core.fast`` has ``region_cosines`` and ``pooled_cosines`` with the same signatures for long class lists.
Shapes: B images, K classes, R regions, M global prompts, N local prompts, D joint width, V region width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def norms(vectors: Tensor, damping: float = 0.0) -> Tensor:
    """Return norms (...) of vectors (..., D), or ``damping`` where that is more."""
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return lengths.clamp_min(max(damping, 1e-12))


def global_cosines(images: Tensor, text: Tensor, damping: float = 0.0) -> Tensor:
    """Return cosines (B, K, M) of image features (B, D) and text features (K, M, D); neither need be normalised.

    Args:
        damping: the least that an image's product is divided by; 0 is the paper's cosine.
    """
    return torch.einsum("bd,kmd->bkm", images / norms(images, damping).unsqueeze(-1), F.normalize(text, dim=-1))


def region_cosines(regions: Tensor, projection: Tensor, text: Tensor, damping: float = 0.0) -> Tensor:
    """Return cosines (B, R, K, N) of projected regions and text features; nothing need be normalised.

    Args:
        regions: (B, R, V), in any precision.
        projection: (V, D), of regions to the joint space.
        text: (K, N, D).
        damping: the least that a projected region's product is divided by, as in ``global_cosines``.
    """
    joint = regions.to(projection.dtype) @ projection
    joint = joint / norms(joint, damping).unsqueeze(-1)
    return torch.einsum("brd,knd->brkn", joint, F.normalize(text, dim=-1))


def pooled_cosines(
    regions: Tensor, projection: Tensor, text: Tensor, topk: Sequence[int], damping: float = 0.0
) -> Tensor:
    """Return local logits (B, K, N), the top-k means of ``region_cosines`` (paper, eq. 5).

    Args:
        topk: one k a local prompt; clamped to R.

    Raises:
        ValueError: more or fewer values of k than local prompts.
    """
    return topk_mean(region_cosines(regions, projection, text, damping), topk)


def topk_mean(cosines: Tensor, topk: Sequence[int]) -> Tensor:
    """Return local logits (B, K, N): for prompt n the mean of its top-k_n cosines (B, R, K, N) (paper, eq. 5).

    k is clamped to R. Raises ValueError unless there is one k per local prompt.
    """
    # One sorting for all prompts: the first k_n of the largest k.
    most = min(max(topk, default=0), cosines.shape[1])
    return mean_of_first(cosines.movedim(1, -1).topk(most, dim=-1).values, topk)


def mean_of_first(ranked: Tensor, topk: Sequence[int]) -> Tensor:
    """Return what ``topk_mean`` does, from cosines (B, K, N, R or the largest k) that are sorted, the largest first."""
    if len(topk) != ranked.shape[2]:
        raise ValueError(f"{ranked.shape[2]} local prompts need one k each, but topk has {len(topk)} values.")
    if not topk:
        return ranked.new_zeros(*ranked.shape[:2], 0)  # no len: it would fix a shape that is free
    clamped = [min(k, ranked.shape[-1]) for k in topk]
    counts, most = torch.tensor(clamped, device=ranked.device), max(clamped)
    weights = (torch.arange(most, device=ranked.device) < counts[:, None]) / counts[:, None]
    return (ranked[..., :most] * weights).sum(dim=-1)


def ensemble(global_: Tensor, local: Tensor) -> Tensor:
    """Return (mean over M of (B, K, M) + mean over N of (B, K, N)) / 2; the global mean alone where N = 0."""
    if local.shape[-1] == 0:
        return global_.mean(dim=-1)
    return (global_.mean(dim=-1) + local.mean(dim=-1)) / 2
