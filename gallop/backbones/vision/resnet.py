"""CLIP's own ResNets: the regions are the cells of the last feature map, through the attention pool's value path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gallop.config import RegionKind


@dataclass
class ResNetVision:
    """CLIP's ``ModifiedResNet`` with its attention pool."""

    tower: Any

    region_projection: Tensor | None = None
    region_kind: RegionKind = "value"
    any_size: bool = False
    mean_is_global: bool = False

    def __post_init__(self) -> None:
        pool = self.tower.attnpool
        side = int((pool.positional_embedding.shape[0] - 1) ** 0.5)
        self.grid: tuple[int, int] = (side, side)
        self.region_width: int = pool.c_proj.out_features

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        tower = self.tower
        x = tower.stem(pixels)
        for layer in (tower.layer1, tower.layer2, tower.layer3, tower.layer4):
            x = layer(x)
        pool = tower.attnpool
        cells = x.flatten(2).transpose(1, 2)  # (B, R, embed)
        return pool(x), pool.c_proj(pool.v_proj(cells))
