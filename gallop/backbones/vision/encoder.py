"""What all image encoders have in common, and a photo at more pixels than an encoder was made for.

Such a photo takes one pass where the encoder takes any size, and else windows of its input size. A window keeps the
places (positional embeddings, the attention pool of CLIP's ResNets) that the encoder was trained with. Interpolated
positions take less time, but whether the regions stay as good has to be measured on photos for each encoder
(``benchmarks/larger.py``, last at 1060607b; no pretrained ViT was at hand); windows need no such measurement.

Shapes: B images, R regions, V region width, D joint width.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gallop.config import RegionKind
from gallop.errors import BackboneError


class ImageEncoder(ABC):
    """A frozen image encoder that gives regions, too; ``image_encoder`` returns the one that reads a module.

    Attributes:
        module: the encoder as open_clip has it.
        region_width: V.
        grid: (rows, columns), R = rows * columns.
        region_projection: (V, D), applied after the local projection; None where regions are in the joint space.
        region_kind: how the region features are made, one of those that ``gallop.backbones.vision`` lists.
        any_size: whether it takes photos that are larger than its input in one pass.
        mean_is_global: whether the mean of the regions, behind their projection, is the global feature.
    """

    region_width: int
    grid: tuple[int, int]
    region_projection: Tensor | None = None
    region_kind: RegionKind = "value"
    any_size = False
    mean_is_global = False

    def __init__(self, module: Any) -> None:
        self.module = module

    @abstractmethod
    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, 3, H, W) -> global (B, D) and regions (B, R, V), row by row, neither normalised."""


class GivenFeatures(ImageEncoder):
    """Takes the place of another model's image encoder, whose features are given.

    Raises:
        BackboneError: a projection of another size than (V, D), or none where V is not D.
    """

    def __init__(self, grid: tuple[int, int], region_width: int, projection: Tensor | None, joint_width: int) -> None:
        super().__init__(None)
        self.grid, self.region_width, self.region_projection = grid, region_width, projection
        self._joint_width = joint_width
        shape = (region_width, region_width) if projection is None else tuple(projection.shape)
        if shape != (region_width, joint_width):
            raise BackboneError(
                f"Region features of width {region_width} need a projection of shape ({region_width}, {joint_width}) "
                "into the space of the text features, but "
                f"{'none was given' if projection is None else f'its shape is {shape}'}."
            )

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Raise BackboneError: nothing is encoded here."""
        raise BackboneError(
            "This backbone cannot encode photos: it only takes precomputed features. Pass ImageFeatures instead of "
            "photos."
        )

    def on(self, device: torch.device, kind: RegionKind) -> GivenFeatures:
        """Return the same on a device. Raises BackboneError for another kind of regions than those that are given."""
        if kind != self.region_kind:
            raise BackboneError(
                f"This backbone only takes precomputed region features, so it cannot compute any of the kind {kind!r}."
            )
        moved = None if self.region_projection is None else self.region_projection.to(device)
        return GivenFeatures(self.grid, self.region_width, moved, self._joint_width)

    @property
    def words(self) -> str:
        """Text that distinguishes it from others, for fingerprints."""
        projection = self.region_projection
        weights = b"" if projection is None else projection.detach().cpu().float().contiguous().numpy().tobytes()
        return f"given {self.grid} {self.region_width} {hashlib.sha256(weights).hexdigest()}"


def scaled_grid(grid: tuple[int, int], times: float) -> tuple[int, int]:
    """Return rows and columns of a photo with so many times the pixels a side.

    Raises:
        BackboneError: a region would be cut.
    """
    rows, columns = (times * cells for cells in grid)
    if rows != int(rows) or columns != int(columns):
        raise BackboneError(
            f"detail={times:g} does not scale this backbone's grid of {grid[0]} x {grid[1]} regions to a whole number "
            "of regions per side. Use detail=2."
        )
    return int(rows), int(columns)


def encode_larger(vision: ImageEncoder, size: int, pixels: Tensor, at_once: int = 1) -> tuple[Tensor, Tensor]:
    """Return global (B, D) and regions (B, R, V) of photos (B, 3, H, W) that are larger than the encoder's input.

    Neighbouring windows overlap by half. A region is the mean of those that windows give at its place, and the global
    feature the mean of the windows' global features.

    Args:
        size: side of the encoder's input in pixels.
        at_once: windows of each photo in one pass, which takes as much more memory.
    """
    rows, columns = vision.grid
    tall, wide = scaled_grid(vision.grid, pixels.shape[-1] / size)
    if vision.any_size:
        global_, regions = vision(pixels)
        if regions.shape[1] != tall * wide:
            raise BackboneError(
                f"For a photo of {pixels.shape[-1]} pixels per side, this backbone gives {regions.shape[1]} regions "
                f"instead of a grid of {tall} x {wide}. Use detail=1 with this backbone."
            )
        return global_, regions
    globals_: list[Tensor] = []
    sums: Any = 0.0
    counts = np.zeros((tall, wide, 1), np.float32)
    places = list(product(_starts(rows, tall), _starts(columns, wide)))
    for first in range(0, len(places), at_once):
        some = places[first : first + at_once]
        corners = [(round(row * size / rows), round(column * size / columns)) for row, column in some]
        cut = [pixels[..., top : top + size, left : left + size] for top, left in corners]
        both = vision(cut[0] if len(cut) == 1 else torch.cat(cut))
        each = (features.unflatten(0, (len(some), -1)) for features in both)  # type: ignore[no-untyped-call]
        for (row, column), global_, regions in zip(some, *each, strict=True):
            globals_.append(global_)
            # Padded, since a sum into a slice is some twenty nodes of an ONNX file for each window.
            around = (0, 0, column, wide - column - columns, row, tall - row - rows)
            sums += F.pad(regions.unflatten(1, (rows, columns)).float(), around)
            counts[row : row + rows, column : column + columns] += 1
    return torch.stack(globals_).float().mean(dim=0), (sums / torch.from_numpy(counts).to(pixels.device)).flatten(1, 2)


def _starts(cells: int, total: int) -> list[int]:
    """The first cell of each window of so many cells along a side of ``total``, from edge to edge."""
    steps = max(math.ceil(2 * (total - cells) / cells), 1)
    return [round(step * (total - cells) / steps) for step in range(steps + 1)]
