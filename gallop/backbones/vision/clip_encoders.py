"""Image encoders of open_clip: its ViTs, by a class token or a pooling, and CLIP's ResNets.

Shapes: B images, T = 1 + R tokens with the class token first, V visual width.
"""

from __future__ import annotations

from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from gallop.backbones.vision.encoder import ImageEncoder
from gallop.config import RegionKind
from gallop.errors import UnsupportedBackbone

# Which third of ``in_proj_weight`` is whose.
_QUERY, _VALUE = 0, 2


class ViTEncoder(ImageEncoder):
    """open_clip's ``VisionTransformer`` with class-token pooling."""

    def __init__(self, module: Any, region_kind: RegionKind = "value") -> None:
        super().__init__(module)
        block = module.transformer.resblocks[-1]
        if not isinstance(block.attn, nn.MultiheadAttention):
            raise UnsupportedBackbone(
                f"Region features are not supported for this ViT, because its last block, a {type(block).__name__}, "
                "does not use nn.MultiheadAttention."
            )
        self.region_kind = region_kind
        self.region_projection: Tensor = module.proj
        self.region_width = len(module.proj)
        self.grid = tuple(module.grid_size)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        module = self.module
        x = module._embeds(pixels)  # (B, 1 + R, V)
        for block in module.transformer.resblocks[:-1]:
            x = block(x)
        last = module.transformer.resblocks[-1]
        normed = last.ln_1(x)
        # Attention and MLP for the class token alone, whatever the kind: its bits shall not depend on it.
        attended = last.attn(normed[:, :1], normed, normed, need_weights=False)[0]
        pooled = _mlp(last, x[:, :1] + last.ls_1(attended))[:, 0]
        if self.region_kind == "value":
            values = last.attn.out_proj(_projected(last.attn, normed[:, 1:], _VALUE))
            regions = _mlp(last, x[:, 1:] + last.ls_1(values))
        else:
            regions = last.ls_1(_query_query(last.attn, normed)[:, 1:])
        return module.ln_post(pooled) @ module.proj, module.ln_post(regions)


def _mlp(block: Any, x: Tensor) -> Tensor:
    return cast(Tensor, x + block.ls_2(block.mlp(block.ln_2(x))))


def _projected(attention: nn.MultiheadAttention, x: Tensor, part: int) -> Tensor:
    """Query, key or value of all heads, side by side."""
    rows = slice(part * x.shape[-1], (part + 1) * x.shape[-1])
    return F.linear(x, attention.in_proj_weight[rows], attention.in_proj_bias[rows])


def _query_query(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """Attention of all tokens (B, T, V) to those with similar queries: softmax(q q' / sqrt(d_head)) v."""
    # Each (B, heads, T, V / heads).
    query, value = (
        _projected(attention, x, part).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)  # type: ignore[no-untyped-call]
        for part in (_QUERY, _VALUE)
    )
    mixed = F.scaled_dot_product_attention(query, query, value)
    return cast(Tensor, attention.out_proj(mixed.transpose(1, 2).flatten(2)))


class PooledViTEncoder(ImageEncoder):
    """open_clip's ``VisionTransformer`` with pooling behind the last block: CLIPA by the mean, CoCa by attention.

    The pooling is what mixes tokens right before the joint space, so a region goes without it: it is what the pooling
    makes of its token alone. A mean makes the token itself of it, attention the token's value.
    """

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        if getattr(module, "attn_pool_contrastive", None) is not None or module.pool_type not in ("avg", "tok"):
            raise UnsupportedBackbone(
                "Region features are not supported for this ViT, because its pooling gives a single token no "
                "feature of its own."
            )
        self.region_projection: Tensor = module.proj
        self.region_width = len(module.proj)
        self.grid = tuple(module.grid_size)
        self.mean_is_global = module.attn_pool is None and not module.final_ln_after_pool

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        module = self.module
        x = module.transformer(module._embeds(pixels))  # (B, 1 + R, width)
        pooled, _ = module._pool(x)
        regions = x[:, 1:] if module.attn_pool is None else _pooled_alone(module.attn_pool, x[:, 1:])
        return pooled @ module.proj, module.ln_post(regions)


def _pooled_alone(pool: Any, x: Tensor) -> Tensor:
    """What attention pooling gives where there is one token alone, whatever the query: its value, projected."""
    attention = pool.attn  # torch's ``MultiheadAttention``
    width = attention.embed_dim
    # Tokens as wide as what is pooled share one matrix with queries and keys.
    weight = attention.in_proj_weight[2 * width :] if attention.v_proj_weight is None else attention.v_proj_weight
    return cast(Tensor, attention.out_proj(F.linear(pool.ln_k(x), weight, attention.in_proj_bias[2 * width :])))


class ResNetEncoder(ImageEncoder):
    """CLIP's ``ModifiedResNet``: regions are cells of the last feature map, through its attention pool's value path."""

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        side = int((module.attnpool.positional_embedding.shape[0] - 1) ** 0.5)
        self.grid = (side, side)
        self.region_width = module.attnpool.c_proj.out_features

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        module, pool = self.module, self.module.attnpool
        x = module.stem(pixels)
        for layer in (module.layer1, module.layer2, module.layer3, module.layer4):
            x = layer(x)
        cells = x.flatten(2).transpose(1, 2)  # (B, R, embed)
        return pool(x), pool.c_proj(pool.v_proj(cells))
