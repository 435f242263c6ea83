"""Cosines, top-k pooling and ensembling: pure functions on tensors.

Shapes: B images, K classes, R regions, M global prompts, N local prompts, D joint width, V region width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from gallop.runtime import threads

REGIONS_AT_ONCE = 2**11
"""Regions that are projected together: their numbers stay in the processor's cache."""

GPU_REGIONS_AT_ONCE = 2**16
"""On a GPU, which would wait for the calls of many small parts."""

NUMBERS_AT_ONCE = 2**24
"""Numbers of regions and classes that the way back holds together at most."""


def global_cosines(images: Tensor, text: Tensor, damping: float = 0.0) -> Tensor:
    """Return cosines (B, K, M) of image features (B, D) and text features (K, M, D); neither need be normalised.

    Args:
        damping: the least that an image's product is divided by (``Damping``); 0 is the paper's cosine.
    """
    lengths = norms(images, damping).unsqueeze(-1)
    return torch.einsum("bd,kmd->bkm", images / lengths, F.normalize(text, dim=-1))


def norms(vectors: Tensor, damping: float) -> Tensor:
    """Return norms (...) of vectors (..., D), or ``damping`` where that is more."""
    found: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return found.clamp_min(max(damping, 1e-12))


def damped_norms(vectors: Tensor, projection: Tensor, damping: float, stretch: float) -> Tensor:
    """Return norms (...) of projected vectors (..., V), or ``damping`` where that is more; others are not projected.

    Args:
        projection: (V, D).
        stretch: what ``most_stretch`` gives for it.
    """
    found = vectors.new_full(vectors.shape[:-1], damping)
    long = torch.linalg.vector_norm(vectors, dim=-1) * stretch >= damping
    found[long] = norms(vectors[long] @ projection, damping)
    return found


def region_cosines(regions: Tensor, projection: Tensor, text: Tensor, damping: float = 0.0) -> Tensor:
    """Return cosines (B, R, K, N) of projected regions and text features; nothing need be normalised.

    Args:
        regions: (B, R, V), in any precision. They are frozen: no gradient reaches them.
        projection: (V, D), what takes a region to the joint space.
        text: (K, N, D).
        damping: the least that a projected region's product is divided by, as in ``global_cosines``.
    """
    classes, prompts, width = text.shape
    flat = F.normalize(text, dim=-1).reshape(classes * prompts, width)
    cosines: Tensor = _RegionCosines.apply(regions, projection, flat, damping)  # type: ignore[no-untyped-call]
    return cosines.unflatten(1, (classes, prompts)).movedim(-1, 1)  # type: ignore[no-untyped-call, no-any-return]


class _RegionCosines(torch.autograd.Function):
    """Cosines (B, Q, R) of regions x A and unit vectors t (Q, D), with a backward pass for few chosen regions.

    A product x A t is x (A t), so projecting a region costs V x Q. Its norm n = |x A| costs V x D, far more, and is
    computed only where it may exceed the damping, by a bound on |x A| / |x|; elsewhere n is the damping itself. With a
    cosine c = x A t / n, a gradient g of c gives, summed over regions,

        dt = (x' g/n)' A        dA = (x' g/n) t - x' (x (g c / n^2)) A,

    the last term where n is a norm, so that nothing of the size of x A need be kept: products over the regions that
    the top-k chose, for which alone g is not zero. Regions are read in their own precision, a few images at a time, and
    computed in fp32.
    """

    @staticmethod
    def forward(ctx: Any, regions: Tensor, projection: Tensor, text: Tensor, damping: float) -> Tensor:
        images, count = regions.shape[:2]
        lengths = projection.new_full((images, count), damping)
        cosines = projection.new_empty(images, len(text), count)
        pulled = text @ projection.T
        stretch = most_stretch(projection) if damping else 1.0

        def fill(share: list[slice]) -> None:
            for some in share:
                x = regions[some].to(projection.dtype)
                lengths[some] = damped_norms(x, projection, damping, stretch)
                torch.matmul(pulled, x.transpose(1, 2), out=cosines[some]).div_(lengths[some].unsqueeze(1))

        threads.each(fill, shares(regions))
        ctx.save_for_backward(regions, projection, text, lengths, cosines)
        ctx.damping = damping
        return cosines

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor | None, Tensor, None]:
        regions, projection, text, lengths, cosines = ctx.saved_tensors

        def gather(share: list[slice]) -> tuple[Tensor, Tensor | None]:
            pulled = projection.new_zeros(len(projection), len(text))
            gram: Tensor | None = None
            for some in share:
                chosen = gradient[some].ne(0).any(dim=1)
                x = regions[some][chosen].to(projection.dtype)
                n = lengths[some][chosen].unsqueeze(1)
                g = gradient[some].transpose(1, 2)[chosen] / n
                pulled.addmm_(x.T, g)
                normed = n.squeeze(1) > ctx.damping
                if ctx.needs_input_grad[1] and normed.any():
                    c = cosines[some].transpose(1, 2)[chosen]
                    x, weights = x[normed], ((g * c).sum(dim=-1, keepdim=True) / n)[normed]
                    gram = x.T @ (x * weights) if gram is None else gram.addmm_(x.T, x * weights)
            return pulled, gram

        found = threads.each(gather, shares(regions, len(text)))
        pulled = torch.stack([part for part, _ in found]).sum(dim=0)
        moved = pulled @ text if ctx.needs_input_grad[1] else None
        grams = [gram for _, gram in found if gram is not None]
        if moved is not None and grams:
            moved -= torch.stack(grams).sum(dim=0) @ projection
        return None, moved, pulled.T @ projection, None


def most_stretch(matrix: Tensor) -> float:
    """Return a bound on |x A| / |x|, the largest singular value: the fourth root of the norm of (A'A)^2, plus 0.1%."""
    gram = matrix.T @ matrix
    size = gram.norm().clamp_min(1e-30)  # taken out first, or its fourth power may be too large a number
    gram = gram / size
    return 1.001 * float((size * (gram @ gram).norm().sqrt()).sqrt())


def shares(regions: Tensor, columns: int = 1) -> list[list[slice]]:
    """Return images of (B, R, V) by thread, a few at a time.

    Args:
        columns: how many numbers of each region are held together, by which the images are fewer where that is much.
    """
    images, count = regions.shape[:2]
    at_once = REGIONS_AT_ONCE if regions.device.type == "cpu" else GPU_REGIONS_AT_ONCE
    at_once = max(min(at_once, NUMBERS_AT_ONCE // columns), 1)
    parts = max(min(threads.threads_to_share(regions.device), images, images * count // at_once), 1)
    ends, step = [images * i // parts for i in range(parts + 1)], max(at_once // count, 1)
    return [[slice(i, min(i + step, stop)) for i in range(start, stop, step)] for start, stop in pairwise(ends)]


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
        raise ValueError(f"{len(topk)} values of k were given for {ranked.shape[2]} local prompts.")
    if not topk:
        return ranked.new_zeros(*ranked.shape[:2], 0)  # no len: it would fix a shape that is free
    kept = [min(k, ranked.shape[-1]) for k in topk]
    counts, most = torch.tensor(kept, device=ranked.device), max(kept)
    shares = (torch.arange(most, device=ranked.device) < counts[:, None]) / counts[:, None]
    return (ranked[..., :most] * shares).sum(dim=-1)


def ensemble(global_: Tensor, local: Tensor) -> Tensor:
    """Return (mean over M of (B, K, M) + mean over N of (B, K, N)) / 2; the global mean alone where N = 0."""
    if local.shape[-1] == 0:
        return global_.mean(dim=-1)
    return (global_.mean(dim=-1) + local.mean(dim=-1)) / 2
