"""ViTs of open_clip that pool their tokens behind the last block: CLIPA by their mean, CoCa by attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor

from gallop.config import RegionKind
from gallop.errors import UnsupportedTower


@dataclass
class PooledViTVision:
    """open_clip's ``VisionTransformer`` without class-token pooling.

    What mixes tokens right before the joint space is the pooling, so it is what a region is spared: a region is what
    the pooling makes of its token alone. A mean makes the token itself of it, attention the token's value.
    """

    tower: Any

    region_kind: RegionKind = "value"
    any_size: bool = False

    def __post_init__(self) -> None:
        tower = self.tower
        if getattr(tower, "attn_pool_contrastive", None) is not None or tower.pool_type not in ("avg", "tok"):
            raise UnsupportedTower("This ViT pools in more than one way, so a token alone has no single feature.")
        self.region_width: int = tower.proj.shape[0]
        self.grid: tuple[int, int] = tuple(tower.grid_size)
        self.mean_is_global: bool = tower.attn_pool is None and not tower.final_ln_after_pool

    @property
    def region_projection(self) -> Tensor | None:
        return cast(Tensor, self.tower.proj)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        tower = self.tower
        x = tower.transformer(tower._embeds(pixels))  # (B, 1 + R, width)
        pooled, _ = tower._pool(x)
        regions = x[:, 1:] if tower.attn_pool is None else _value(tower.attn_pool, x[:, 1:])
        return pooled @ tower.proj, tower.ln_post(regions)


def _value(pool: Any, x: Tensor) -> Tensor:
    """What attention pooling gives where there is one token alone, whatever the query: its value, projected."""
    attention = pool.attn  # torch's ``MultiheadAttention``
    width = attention.embed_dim
    # Tokens as wide as what is pooled share one matrix with queries and keys.
    weight = attention.in_proj_weight[2 * width :] if attention.v_proj_weight is None else attention.v_proj_weight
    return cast(Tensor, attention.out_proj(F.linear(pool.ln_k(x), weight, attention.in_proj_bias[2 * width :])))
