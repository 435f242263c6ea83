"""What occurs together in the regions of photos: products of their main features.

A mean of regions says how much of everything a photo holds; the mean of their products says what is there in one
place, such as a colour and its texture (bilinear pooling, Lin and others, 2015, arXiv 1504.07889). Each region is first
divided by the square root of its length, so that its products are as long as it is, and a few strong regions do not
outweigh all others. As these are features of single regions, a head that is linear in them has an exact map.

Shapes: B images, R regions, V region width, D joint width, C axes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from gallop.features.cache import ImageFeatures

AXES = 40
"""C, or D where that is less. Chosen inside train folders, on ``mini`` (benchmarks/settings.md); a head stores a matrix
of C (C + 1) / 2 rows."""


@dataclass(frozen=True)
class Axes:
    """The directions in which the regions of some photos vary most.

    Attributes:
        mean: (D,) of the regions.
        directions: (D, C), orthogonal and of length 1.
    """

    mean: Tensor
    directions: Tensor

    @staticmethod
    def of(photos: Iterable[ImageFeatures], looks: int, projection: Tensor | None) -> Axes:
        """Return those of photos, of whose looks each counts the same.

        Args:
            photos: at least one part.
            looks: how many of them answers are computed from.
            projection: the backbone's (V, D), where there is one.
        """
        count, total, squares = 0, torch.zeros(1, dtype=torch.double), torch.zeros(1, 1, dtype=torch.double)
        for look in (look for part in photos for look in part.looks[:looks]):
            regions = joint(look.regions.cpu(), projection).double()
            count, total = count + len(regions), total + regions.mean(dim=1).sum(dim=0)
            squares = squares + regions.flatten(0, 1).T @ regions.flatten(0, 1) / regions.shape[1]
        mean = total / count
        _, directions = torch.linalg.eigh(squares / count - torch.outer(mean, mean))
        return Axes(mean.float(), directions[:, -AXES:].float().contiguous())

    def pairs(self, regions: Tensor) -> Tensor:
        """Return the products of each region's coordinates (B, R, C (C + 1) / 2), from its features (B, R, D).

        Those of two axes are multiplied by the square root of two: with as many axes as values, two regions x and y are
        then compared by (x y)^2 / (|x| |y|).
        """
        at = (regions - self.mean.to(regions.device)) @ self.directions.to(regions.device)
        at = at / at.norm(dim=-1, keepdim=True).clamp_min(1e-12).sqrt()
        rows, columns = torch.triu_indices(at.shape[-1], at.shape[-1], device=at.device)
        # Slices take half the time of products by index.
        products = torch.cat([at[..., i : i + 1] * at[..., i:] for i in range(at.shape[-1])], dim=-1)
        return products * torch.where(rows == columns, 1.0, 2**0.5)


def joint(regions: Tensor, projection: Tensor | None) -> Tensor:
    """Return regions (B, R, V) in the joint space (B, R, D), in fp32.

    Args:
        projection: the backbone's (V, D); None where regions are in the joint space already.
    """
    return regions.float() if projection is None else regions.float() @ projection.to(regions.device).float()
