"""What a careful peer would write with open_clip and ordinary autograd: the second rival that we are measured against.

All that needs no look inside an encoder. Names are embedded once; prompts are as long as the longest name asks, and all
of them pass together; where autograd would store too much, torch computes each block again. Regions are projected by
one matrix, and one top-k serves all prompts.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from benchmarks.naive import open_clips, unit
from gallop.core.gallop import Loss, gallop_loss
from gallop.features.encoding import ImageFeatures
from gallop.model.prompted import PromptModel

AUTOGRAD_BYTES = 4 * 2**30
"""Bytes that autograd may store, by the estimate below; beyond them each block is computed again."""

_STORED_WIDTHS = 22
"""Numbers of width T that a block of open_clip stores for a token: 2 norms and their inputs, 3 query, key and value, 3
of attention and its output, 12 of the MLP, whose activation is computed in three operations."""


class CarefulText:
    """Contexts (P, C, T) to text features (K, P, D), with the names prepared.

    Attributes:
        again: whether blocks are computed again on the way back for so many prompts.
    """

    def __init__(self, module: Any, tokenizer: Any, names: list[str], context: int, prompts: int) -> None:
        self._module, self._blocks = module, cast(Any, open_clips(module.transformer)).resblocks
        ids = [tokenizer.encode(name) for name in names]
        self._ends = torch.tensor([1 + context + len(some) for some in ids])
        longest = max(map(len, ids))
        rows = [[*some, tokenizer.eot_token_id, *[0] * (longest - len(some))] for some in ids]
        self._start = module.token_embedding(torch.tensor([tokenizer.sot_token_id]))
        self._names = module.token_embedding(torch.tensor(rows))
        self._length = 1 + context + longest + 1
        numbers = len(names) * prompts * self._length * self._names.shape[-1]
        self.again = 4 * numbers * _STORED_WIDTHS * len(self._blocks) > AUTOGRAD_BYTES

    def __call__(self, contexts: Tensor) -> Tensor:
        module, (prompts, count, width), names = self._module, contexts.shape, len(self._names)
        start = self._start.expand(prompts, names, 1, width)
        middle = contexts[:, None].expand(prompts, names, count, width)
        x = torch.cat([start, middle, self._names.expand(prompts, -1, -1, -1)], dim=2).flatten(0, 1)
        x = x + module.positional_embedding[: self._length]
        mask = module.attn_mask[: self._length, : self._length]
        for block in self._blocks:
            x = checkpoint(block, x, attn_mask=mask, use_reentrant=False) if self.again else block(x, attn_mask=mask)
        ends = self._ends.repeat(prompts)
        x = module.ln_final(x[torch.arange(len(x)), ends])
        projection = module.text_projection
        x = projection(x) if isinstance(projection, nn.Linear) else x @ projection
        return x.unflatten(0, (prompts, names)).transpose(0, 1)


def careful_loss(model: PromptModel, features: ImageFeatures, labels: Tensor, kept: Tensor, text: Tensor) -> Loss:
    """A step's loss from text features (K, M + N, D) of all prompts on."""
    global_text, local_text = F.normalize(text, dim=-1).split(list(model.prompts.sizes), dim=1)
    damping, topk = model.backbone.damping, model.config.topk
    global_ = torch.einsum("bd,kmd->bkm", unit(features.global_.float(), damping.image), global_text)
    regions = features.regions.float() @ model.paper.region_projection()
    cosines = torch.einsum("brd,knd->bknr", unit(regions, damping.region), local_text)
    ranked = cosines.topk(max(topk), dim=-1).values
    pooled = torch.stack([ranked[:, :, n, :k].mean(dim=-1) for n, k in enumerate(topk)], dim=-1)
    return gallop_loss(global_, pooled, labels, model.backbone.logit_scale, kept)
