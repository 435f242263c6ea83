"""What the last block's attention may be for regions: of the tower itself, none, or of tokens that are alike.

Shapes: B images, T = 1 + R tokens with the class token first, V visual width.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Part = Literal["query", "key", "value"]

_PLACES: dict[Part, int] = {"query": 0, "key": 1, "value": 2}
"""Where each stands in ``in_proj_weight``."""

REACH = 5.0
"""Standard deviation, in regions, of the Gaussian around a place: NACLIP's, for every grid."""


def attended(attention: nn.MultiheadAttention, queries: Tensor, x: Tensor) -> Tensor:
    """Return the tower's own attention of some tokens to all."""
    return cast(Tensor, attention(queries, x, x, need_weights=False)[0])


def values(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """Return what every token gives, as if it attended to itself alone."""
    return cast(Tensor, attention.out_proj(_projected(attention, x, "value")))


def likened(attention: nn.MultiheadAttention, x: Tensor, part: Part, near: Tensor | None = None) -> Tensor:
    """Return attention of all tokens (B, T, V) to all that are like them: softmax(a a' / sqrt(d_head) + near) v a head.

    Args:
        part: a, of which likeness is taken.
        near: (T, T), what a pair of places has beside it.
    """
    given = _heads(attention, _projected(attention, x, "value"))
    own = given if part == "value" else _heads(attention, _projected(attention, x, part))
    mask = None if near is None else near.to(own)
    mixed = F.scaled_dot_product_attention(own, own, given, attn_mask=mask)
    return cast(Tensor, attention.out_proj(mixed.transpose(1, 2).flatten(2)))


def nearness(rows: int, columns: int) -> Tensor:
    """Return exp(-d^2 / (2 REACH^2)) of two places of a grid at distance d, (T, T); 0 to and from the class token."""
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).view(-1, 2).float()
    squared = (places[:, None] - places).square().sum(dim=-1)
    return F.pad(torch.exp(-squared / (2 * REACH**2)), (1, 0, 1, 0))


def _projected(attention: nn.MultiheadAttention, x: Tensor, part: Part) -> Tensor:
    """All heads beside each other."""
    width = x.shape[-1]
    rows = slice(_PLACES[part] * width, (_PLACES[part] + 1) * width)
    return F.linear(x, attention.in_proj_weight[rows], attention.in_proj_bias[rows])


def _heads(attention: nn.MultiheadAttention, x: Tensor) -> Tensor:
    """(B, T, V) -> (B, heads, T, V / heads)"""
    images, count, width = x.shape
    return x.view(images, count, attention.num_heads, width // attention.num_heads).transpose(1, 2)
