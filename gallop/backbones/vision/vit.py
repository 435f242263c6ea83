"""ViTs of open_clip: the regions are its tokens, without attention's mixing in the last block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from gallop.config import RegionKind
from gallop.errors import UnsupportedTower


@dataclass
class ViTVision:
    """open_clip's ``VisionTransformer`` with class-token pooling."""

    tower: Any
    region_kind: RegionKind = "value"
    mean_is_global: bool = False

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
