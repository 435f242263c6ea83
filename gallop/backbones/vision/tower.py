"""What the rest of the library knows of a vision tower, whatever it is built of."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from gallop.config import RegionKind


class VisionTower(Protocol):
    """What the rest of the library knows of a vision tower."""

    region_width: int
    """V"""
    region_projection: Tensor | None
    """(V, D), applied after the local projection; None where regions are in the joint space already."""
    grid: tuple[int, int]
    """(rows, columns), R = rows * columns"""
    region_kind: RegionKind
    """which of the ways that ``gallop.backbones.vision`` lists the region features are made"""
    any_size: bool
    """whether it takes photos that are larger than its input in one pass"""
    mean_is_global: bool
    """whether the mean of the regions, behind their projection, is the global feature"""

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> global (B, D) and regions (B, R, V), row by row, neither normalised."""
        ...
