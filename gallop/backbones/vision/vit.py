"""ViTs of open_clip: the regions are its tokens, without attention's mixing in the last block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from gallop.backbones.vision.attention import Part, attended, likened, nearness, values
from gallop.config import RegionKind
from gallop.errors import UnsupportedTower

_LIKENESS: dict[RegionKind, Part] = {"value-value": "value", "query-query": "query", "neighbours": "key"}
"""Kinds whose attention is between tokens that are alike, and in what."""

_ALONE: tuple[RegionKind, ...] = ("query-query", "neighbours")
"""Kinds that are this attention alone: what came before the block, and its MLP, are left out."""


@dataclass
class ViTVision:
    """open_clip's ``VisionTransformer`` with class-token pooling."""

    tower: Any
    region_kind: RegionKind = "value"
    any_size: bool = False
    mean_is_global: bool = False

    def __post_init__(self) -> None:
        tower = self.tower
        block = tower.transformer.resblocks[-1]
        if not isinstance(block.attn, nn.MultiheadAttention):
            raise UnsupportedTower(f"This ViT is built of {type(block).__name__}, which has no plain value path.")
        self.region_width: int = tower.proj.shape[0]
        self.grid: tuple[int, int] = tuple(tower.grid_size)
        self._near = nearness(*self.grid).to(tower.proj.device) if self.region_kind == "neighbours" else None

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
        pooled = _mlp(last, x[:, :1] + last.ls_1(attended(last.attn, normed[:, :1], normed)))[:, 0]
        mixed = last.ls_1(self._mixed(last.attn, normed))
        regions = mixed if self.region_kind in _ALONE else _mlp(last, x[:, 1:] + mixed)
        return tower.ln_post(pooled) @ tower.proj, tower.ln_post(regions)

    def _mixed(self, attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
        """What the last block's attention gives each region, of all tokens (B, 1 + R, V), class token first."""
        if self.region_kind == "tokens":
            return attended(attention, x[:, 1:], x)
        if self.region_kind == "value":
            return values(attention, x[:, 1:])
        return likened(attention, x, _LIKENESS[self.region_kind], self._near)[:, 1:]


def _mlp(block: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + block.ls_2(block.mlp(block.ln_2(x))))
