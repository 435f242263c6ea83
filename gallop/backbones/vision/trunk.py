"""CNN trunks of timm: the regions are the projected cells of the last feature map."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gallop.config import RegionKind
from gallop.errors import UnsupportedTower

ROUNDING = 1e-2
"""Relative difference of cells: more than rounding makes through fifty layers, on a GPU's TF32 too, and less than a
norm makes that is not where it was taken to be.
"""


@dataclass
class TrunkVision:
    """open_clip's ``TimmModel`` with a CNN trunk, average pooling and a linear head.

    Pooling and projection are both linear, so the mean of the regions is the global feature. What runs is a copy of the
    trunk in which batch norms are part of the convolutions, where that gives the same cells.
    """

    tower: Any

    region_projection: Tensor | None = None
    region_kind: RegionKind = "value"

    def __post_init__(self) -> None:
        head = list(self.tower.head.children())
        if not head or not isinstance(head[-1], nn.Linear) or len(head) > 2:
            raise UnsupportedTower("This timm tower has no plain linear head, so its cells have no place in the space.")
        self._projection = head[-1]
        self.region_width: int = self._projection.out_features
        height, width = self.tower.image_size
        self._trunk = _without_norms(self.tower.trunk)
        probe = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        probe = probe.to(self._projection.weight.device)
        with torch.no_grad():
            cells, plain = (trunk.forward_features(probe) for trunk in (self._trunk, self.tower.trunk))
        if cells.ndim != 4:
            raise UnsupportedTower("This timm tower has no feature map of cells; only CNN trunks are read here.")
        if not (cells - plain).norm() <= ROUNDING * plain.norm():
            self._trunk = self.tower.trunk
        self.grid: tuple[int, int] = (cells.shape[2], cells.shape[3])

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        cells = self._trunk.forward_features(pixels)  # (B, channels, rows, columns)
        pooled = self.tower.trunk.forward_head(cells, pre_logits=True)
        # For every cell the projection is a 1 x 1 convolution, which leaves the cells where they lie in memory.
        regions = F.conv2d(cells, self._projection.weight[:, :, None, None], self._projection.bias)
        return self._projection(pooled), regions.flatten(2).transpose(1, 2)


def _without_norms(trunk: nn.Module) -> Any:
    """A copy of a CNN in which every batch norm right behind a convolution is part of it.

    Modules are taken to run in the order in which they are listed, which the caller must check.
    """
    folded = copy.deepcopy(trunk)
    for parent in list(folded.modules()):
        for (name, conv), (next_name, norm) in pairwise(list(parent.named_children())):
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
                continue
            if conv.out_channels == norm.num_features:
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, next_name, getattr(norm, "act", nn.Identity()))  # timm's norms have one of their own
    return folded
