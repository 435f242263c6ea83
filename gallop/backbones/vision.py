"""Pixels -> global features (B, D) and region features (B, R, V), in one pass of a frozen vision tower.

Region features are the tower's own tokens without attention's mixing in the last layer, so that each stays with its
place (paper, section 3.2; the value path of MaskCLIP):

* ViT: in the last block ``v = out_proj(W_v ln_1(x) + b_v) + x``, then ``v + mlp(ln_2(v))``, then ``ln_post``. The local
  projection acts on this (V is the visual width); the visual projection follows it.
* ResNet: value and output projection of the attention pool at each cell, no positional embedding. V is already D.
* CNN trunk (timm): the projected cell of the last feature map. V is already D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gallop.backbones.supported import UnsupportedTower


class VisionTower(Protocol):
    """What the rest of the library knows of a vision tower."""

    region_width: int
    """V"""
    region_projection: Tensor | None
    """(V, D), applied after the local projection; None where regions are in the joint space already."""
    grid: tuple[int, int]
    """(rows, columns), R = rows * columns"""

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> global (B, D) and regions (B, R, V), row by row, neither normalised."""
        ...


@dataclass
class ViTVision:
    """open_clip's ``VisionTransformer`` with class-token pooling."""

    tower: Any

    def __post_init__(self) -> None:
        tower = self.tower
        if tower.attn_pool is not None or tower.pool_type != "tok" or tower.final_ln_after_pool:
            raise UnsupportedTower("This ViT does not pool at its class token; GalLoP's region features need that.")
        block = tower.transformer.resblocks[-1]
        if not isinstance(block.attn, nn.MultiheadAttention):
            raise UnsupportedTower(f"This ViT is built of {type(block).__name__}, which has no plain value path.")
        self.region_width: int = tower.proj.shape[0]
        self.grid: tuple[int, int] = tuple(tower.grid_size)

    @property
    def region_projection(self) -> Tensor | None:
        return cast(Tensor, self.tower.proj)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        tower = self.tower
        x = tower._embeds(pixels)  # (B, 1 + R, V)
        for block in tower.transformer.resblocks[:-1]:
            x = block(x)
        last = tower.transformer.resblocks[-1]
        normed = last.ln_1(x)
        # Attention and MLP for the class token alone: nothing else of the last block's attention is used.
        attended = last.attn(normed[:, :1], normed, normed, need_weights=False)[0]
        pooled = _mlp(last, x[:, :1] + last.ls_1(attended))[:, 0]
        regions = _mlp(last, x[:, 1:] + last.ls_1(_value_path(last.attn, normed[:, 1:])))
        return tower.ln_post(pooled) @ tower.proj, tower.ln_post(regions)


def _value_path(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """What attention would give if every token attended to itself alone."""
    width = x.shape[-1]
    value = F.linear(x, attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :])
    return cast(Tensor, attention.out_proj(value))


def _mlp(block: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + block.ls_2(block.mlp(block.ln_2(x))))


@dataclass
class ResNetVision:
    """CLIP's ``ModifiedResNet`` with its attention pool."""

    tower: Any

    region_projection: Tensor | None = None

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


@dataclass
class TrunkVision:
    """open_clip's ``TimmModel`` with a CNN trunk, average pooling and a linear head.

    Pooling and projection are both linear, so the mean of the regions is the global feature.
    """

    tower: Any

    region_projection: Tensor | None = None

    def __post_init__(self) -> None:
        head = list(self.tower.head.children())
        if not head or not isinstance(head[-1], nn.Linear) or len(head) > 2:
            raise UnsupportedTower("This timm tower has no plain linear head, so its cells have no place in the space.")
        self._projection = head[-1]
        self.region_width: int = self._projection.out_features
        height, width = self.tower.image_size
        with torch.no_grad():
            cells = self._cells(self._projection.weight.new_zeros(1, 3, height, width))
        if cells.ndim != 4:
            raise UnsupportedTower("This timm tower has no feature map of cells; only CNN trunks are read here.")
        self.grid: tuple[int, int] = (cells.shape[2], cells.shape[3])

    def _cells(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.tower.trunk.forward_features(pixels))

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        cells = self._cells(pixels)  # (B, channels, rows, columns)
        pooled = self.tower.trunk.forward_head(cells, pre_logits=True)
        # For every cell the projection is a 1 x 1 convolution, which leaves the cells where they lie in memory.
        regions = F.conv2d(cells, self._projection.weight[:, :, None, None], self._projection.bias)
        return self._projection(pooled), regions.flatten(2).transpose(1, 2)


def vision_tower(module: nn.Module) -> VisionTower:
    """The region-aware wrapper of an open_clip vision module.

    Raises:
        UnsupportedTower: a kind of tower, or of pooling, for which region features are not defined here.
    """
    kinds = {"VisionTransformer": ViTVision, "ModifiedResNet": ResNetVision, "TimmModel": TrunkVision}
    kind = kinds.get(type(module).__name__)
    if kind is None:
        raise UnsupportedTower(
            f"Region features are defined for {', '.join(kinds)}; this vision tower is a {type(module).__name__}."
        )
    return cast(VisionTower, kind(module))
