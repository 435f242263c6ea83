"""Pixels -> global features (B, D) and region features (B, R, V), in one pass of a frozen vision tower.

Region features are the tower's own tokens without attention's mixing in the last layer, so that each stays with its
place (paper, section 3.2; the value path of MaskCLIP):

* ViT: in the last block ``v = out_proj(W_v ln_1(x) + b_v) + x``, then ``v + mlp(ln_2(v))``, then ``ln_post``. The local
  projection acts on this (V is the visual width); the visual projection follows it. Two other kinds, to compare with,
  differ from it in the last block's attention alone, and leave the global feature as it is:
  "tokens" is that block's ordinary attention, so the tower's own output tokens;
  "value-value" is attention whose queries and keys are the values, ``softmax(v v' / sqrt(d_head)) v`` for each head
  over all tokens. It is the attention of CLIP Surgery (Li et al. 2023, arXiv 2304.05653), which puts it into several
  blocks, in a path beside the tower's own; here it stands in the last block alone.
* ResNet: value and output projection of the attention pool at each cell, no positional embedding. V is already D.
* CNN trunk (timm): the projected cell of the last feature map. V is already D.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, cast, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gallop.config import RegionKind
from gallop.errors import BackboneError, UnsupportedTower

ROUNDING = 1e-2
"""Relative difference of cells: more than rounding makes through fifty layers, on a GPU's TF32 too, and less than a
norm makes that is not where it was taken to be.
"""


class VisionTower(Protocol):
    """What the rest of the library knows of a vision tower."""

    region_width: int
    """V"""
    region_projection: Tensor | None
    """(V, D), applied after the local projection; None where regions are in the joint space already."""
    grid: tuple[int, int]
    """(rows, columns), R = rows * columns"""
    region_kind: RegionKind
    """which of the ways above the region features are made"""

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> global (B, D) and regions (B, R, V), row by row, neither normalised."""
        ...


@dataclass
class ViTVision:
    """open_clip's ``VisionTransformer`` with class-token pooling."""

    tower: Any
    region_kind: RegionKind = "value"

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
        # Attention and MLP for the class token alone, whatever the kind: its bits shall not depend on it.
        pooled = _mlp(last, x[:, :1] + last.ls_1(_attended(last.attn, normed[:, :1], normed)))[:, 0]
        regions = _mlp(last, x[:, 1:] + last.ls_1(self._mixed(last.attn, normed)))
        return tower.ln_post(pooled) @ tower.proj, tower.ln_post(regions)

    def _mixed(self, attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
        """What the last block adds to each region before its MLP, of all tokens (B, 1 + R, V), class token first."""
        if self.region_kind == "tokens":
            return _attended(attention, x[:, 1:], x)
        if self.region_kind == "value-value":
            return _value_value(attention, x)[:, 1:]
        return cast(Tensor, attention.out_proj(_values(attention, x[:, 1:])))


def _attended(attention: nn.MultiheadAttention, queries: Tensor, x: Tensor) -> Tensor:
    """The tower's own attention of some tokens to all."""
    return cast(Tensor, attention(queries, x, x, need_weights=False)[0])


def _values(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """All heads beside each other. After ``out_proj``: attention, if every token attended to itself alone."""
    width = x.shape[-1]
    return F.linear(x, attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :])


def _value_value(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """Attention whose queries and keys are the values, of all tokens to all."""
    images, count, width = x.shape
    heads = _values(attention, x).view(images, count, attention.num_heads, width // attention.num_heads).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(heads, heads, heads)
    return cast(Tensor, attention.out_proj(mixed.transpose(1, 2).flatten(2)))


def _mlp(block: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + block.ls_2(block.mlp(block.ln_2(x))))


@dataclass
class ResNetVision:
    """CLIP's ``ModifiedResNet`` with its attention pool."""

    tower: Any

    region_projection: Tensor | None = None
    region_kind: RegionKind = "value"

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


def pick_regions(kind: str = "value") -> RegionKind:
    """Return the kind of region features of a name.

    Raises:
        BackboneError: unknown name.
    """
    for known in get_args(RegionKind):
        if kind == known:
            return cast(RegionKind, known)
    names = ", ".join(map(repr, get_args(RegionKind)))
    raise BackboneError(f"There are no region features of the kind {kind!r}; the kinds are {names}.")


def vision_tower(module: nn.Module, regions: str = "value") -> VisionTower:
    """Return the region-aware wrapper of an open_clip vision module, for a kind of region features.

    Raises:
        BackboneError: an unknown kind, or one that this tower does not have.
        UnsupportedTower: a kind of tower, or of pooling, for which region features are not defined here.
    """
    kinds = {"VisionTransformer": ViTVision, "ModifiedResNet": ResNetVision, "TimmModel": TrunkVision}
    kind = kinds.get(type(module).__name__)
    if kind is None:
        raise UnsupportedTower(
            f"Region features are defined for {', '.join(kinds)}; this vision tower is a {type(module).__name__}."
        )
    chosen = pick_regions(regions)
    if kind is ViTVision:
        return cast(VisionTower, ViTVision(module, chosen))
    if chosen != "value":
        raise BackboneError(
            f"Only a ViT has region features of the kind {chosen!r}; this vision tower is a {type(module).__name__}, "
            "which has 'value' alone."
        )
    return cast(VisionTower, kind(module))
