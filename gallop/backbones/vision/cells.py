"""The cells that a CNN's last layer makes its regions of: fewer channels than behind that layer, and not rectified.

What varies together in them tells more of a photo than its regions do (``gallop.model.head.moments``).

Shapes: B images, R regions, V region width, D joint width, U channels of the cells.
"""

from __future__ import annotations

from torch import Tensor

from gallop.backbones.vision.tower import VisionTower
from gallop.backbones.vision.trunk import TrunkVision


def cells_width(vision: VisionTower) -> int:
    """Return U, or 0 of a tower without such cells: trunks of timm have some that end in a 1 x 1 convolution, as
    EfficientNets do.
    """
    return vision.cells_width if isinstance(vision, TrunkVision) else 0


def seen_with_cells(vision: VisionTower, pixels: Tensor) -> tuple[Tensor, ...]:
    """Return what a tower sees of (B, 3, H, W) in one pass: global (B, D), regions (B, R, V) and, where it has some,
    cells (B, R, U).
    """
    if isinstance(vision, TrunkVision) and vision.cells_width:
        return vision.with_cells(pixels)
    return vision(pixels)
