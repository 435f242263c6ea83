"""CLIP's text tower as one function of token ids, for files that run without this library.

What ``gallop.backbones.text.causal`` computes for prompts that are texts, without its savings: every text on its own.

Shapes: K texts, L tokens, T text width, H heads, D joint width.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gallop.backbones.text.causal import CausalTextTower
from gallop.backbones.text.tower import TextTower

_VOCABULARY = 49408
"""Tokens of CLIP's table."""


def reads_clip_tokens(tower: TextTower) -> bool:
    """Return whether ``WholeTexts`` takes a tower: one of CLIP's kind, with CLIP's table of tokens."""
    if not isinstance(tower, CausalTextTower):
        return False
    return len(tower._module.token_embedding.weight) == _VOCABULARY and tower._rule.before == (_VOCABULARY - 2,)


class WholeTexts(nn.Module):
    """Token ids (K, L), from SOS to EOT and beyond, and where EOT stands (K,), to features (K, D), not normalised."""

    table: Tensor
    mask: Tensor

    def __init__(self, tower: CausalTextTower) -> None:
        super().__init__()
        self.tower = tower._module
        self._heads = tower.heads
        # In half precision where that changes nothing: it is the largest part of a small tower, and is looked up.
        table = self.tower.token_embedding.weight.detach().float()
        self.register_buffer("table", table.half() if torch.equal(table.half().float(), table) else table)
        length = len(self.tower.positional_embedding)
        self.register_buffer("mask", torch.full((length, length), -math.inf).triu_(1))

    def forward(self, ids: Tensor, read: Tensor) -> Tensor:
        count, length = ids.shape
        x = self.table.index_select(0, ids.flatten().long()).float()
        x = x.reshape(count, length, -1) + self.tower.positional_embedding[:length].float()
        mask = self.mask[:length, :length]
        for block in self.tower.transformer.resblocks:
            x = x + block.ls_1(self._attended(block, block.ln_1(x), mask))
            x = x + block.ls_2(block.mlp.c_proj(block.mlp.gelu(block.mlp.c_fc(block.ln_2(x)))))
        at_eot = read.long().reshape(count, 1, 1).expand(-1, 1, x.shape[-1])
        return self._projected(self.tower.ln_final(x.gather(1, at_eot).squeeze(1)))

    def _attended(self, block: Any, x: Tensor, mask: Tensor) -> Tensor:
        count, length, width = x.shape
        each = F.linear(x, block.attn.in_proj_weight, block.attn.in_proj_bias)
        q, k, v = each.reshape(count, length, 3, self._heads, width // self._heads).permute(2, 0, 3, 1, 4)
        shares = (q @ k.transpose(-1, -2) / math.sqrt(width // self._heads) + mask).softmax(dim=-1)
        return cast(Tensor, block.attn.out_proj((shares @ v).transpose(1, 2).reshape(count, length, width)))

    def _projected(self, x: Tensor) -> Tensor:
        projection = self.tower.text_projection
        if projection is None:
            return x
        return cast(Tensor, projection(x) if isinstance(projection, nn.Linear) else x @ projection)
