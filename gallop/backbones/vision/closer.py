"""A photo at more pixels than a tower was made for: in one pass where it takes any size, else by windows of its own.

A window is the tower's own input, so that its places (positional embeddings, the attention pool of CLIP's ResNets) are
those it was trained with. Interpolated positions take less time, and whether the regions stay as good cannot be told of
a tower before it is measured on photos (``benchmarks.closer``; no pretrained ViT was at hand); windows need no such
measurement.

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.backbones.vision.tower import VisionTower
from gallop.errors import BackboneError


def closer_grid(grid: tuple[int, int], times: float) -> tuple[int, int]:
    """Return rows and columns of a photo with so many times the pixels a side.

    Raises:
        BackboneError: a region would be cut.
    """
    rows, columns = (times * cells for cells in grid)
    if rows != int(rows) or columns != int(columns):
        raise BackboneError(
            f"detail={times:g} would cut regions of a grid of {grid[0]} x {grid[1]} in parts; use detail=2 with this "
            "backbone."
        )
    return int(rows), int(columns)


def look_closer(vision: VisionTower, size: int, pixels: Tensor, at_once: int = 1) -> tuple[Tensor, Tensor]:
    """Return global (B, D) and regions (B, R, V) of photos (B, 3, H, W) that are larger than its input.

    Windows lie half over each other. A region is the mean of those that windows give at its place, and the global
    feature the mean of the windows' own.

    Args:
        size: side of the tower's input in pixels.
        at_once: windows of each photo that pass the tower together, which takes as much more memory.
    """
    rows, columns = vision.grid
    tall, wide = closer_grid(vision.grid, pixels.shape[-1] / size)
    if vision.any_size:
        whole, regions = vision(pixels)
        if regions.shape[1] != tall * wide:
            raise BackboneError(
                f"This backbone gives {regions.shape[1]} regions of a photo of {pixels.shape[-1]} pixels a side, which "
                f"are no grid of {tall} x {wide}; use detail=1 with it."
            )
        return whole, regions
    wholes: list[Tensor] = []
    sums: Any = 0.0
    counts = np.zeros((tall, wide, 1), np.float32)
    places = list(product(_starts(rows, tall, size), _starts(columns, wide, size)))
    for first in range(0, len(places), at_once):
        some = places[first : first + at_once]
        cut = [pixels[..., top : top + size, left : left + size] for (top, _), (left, _) in some]
        both = vision(cut[0] if len(cut) == 1 else torch.cat(cut))
        each = (features.unflatten(0, (len(some), -1)) for features in both)  # type: ignore[no-untyped-call]
        for ((_, row), (_, column)), whole, regions in zip(some, *each, strict=True):
            wholes.append(whole)
            # Padded, since a sum into a slice is some twenty nodes of an ONNX file for each window.
            around = (0, 0, column, wide - column - columns, row, tall - row - rows)
            sums += F.pad(regions.unflatten(1, (rows, columns)).float(), around)
            counts[row : row + rows, column : column + columns] += 1
    return torch.stack(wholes).float().mean(dim=0), (sums / torch.from_numpy(counts).to(pixels.device)).flatten(1, 2)


def windows(grid: tuple[int, int], times: float) -> int:
    """Return passes of the tower's own size that a photo with so many times the pixels a side takes, by windows."""
    return math.prod(len(_starts(cells, whole, 1)) for cells, whole in zip(grid, closer_grid(grid, times), strict=True))


def _starts(cells: int, whole: int, size: int) -> list[tuple[int, int]]:
    """Of each window along a side of so many cells its first pixel and its first cell: from edge to edge."""
    steps = max(math.ceil(2 * (whole - cells) / cells), 1)
    first = [round(step * (whole - cells) / steps) for step in range(steps + 1)]
    return [(round(start * size / cells), start) for start in first]
