"""Contexts and class names through any text transformer of open_clip, at its full length.

Where every token sees every other, padding too, nothing can be shared between names and nothing can be cut: each
prompt of each class passes the encoder at its full length, with the context's vectors in the place of its tokens'
embeddings. The feature is read where the encoder reads it: at its last position (SigLIP, CLIPA, and CoCa, whose last is
a class embedding), at EOT (MobileCLIP), or at the first.

What is stored for the backward pass is limited to ``memory_budget``: where it would be more, names pass in chunks, each
of which stores nothing and passes forward once more.

Shapes: P prompts, K classes, C context tokens, L tokens, T text width, D joint width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from gallop.backbones.text.encoder import NameTokens, TextEncoder, computed_again, project

# Numbers of width T that a block stores for a token: 2 inputs of norms, 4 of query, key, value and attention output, 4
# of the MLP, and what lies in between. Frozen matrices store nothing of theirs.
_STORED_WIDTHS = 12


@dataclass(frozen=True, eq=False)
class PaddedNames(NameTokens):
    """K class names as complete prompts.

    Attributes:
        ids: token ids (K, L) of what precedes the context, one that is not padding for each of its vectors, the name,
            what follows it, and padding.
        read: (K,) where the feature is read.
    """

    ids: Tensor
    read: Tensor


class PlainTextEncoder(TextEncoder):
    """The frozen text half of a CLIP that is not causal, or not read at EOT.

    Args:
        module: open_clip's ``CLIP``, or the ``text`` part of a ``CustomTextCLIP``.
        tokenizer: the one that it was trained with.
        pool: where it reads its feature: "argmax" and "eos" (EOT), "last", "first".
    """

    def __init__(self, module: nn.Module, tokenizer: Any, pool: str) -> None:
        super().__init__(module, tokenizer)
        self._pool = pool

    def _arranged(self, names: Sequence[Sequence[int]], prefix: int) -> PaddedNames:
        before, weight = self._rule.before, self._module.token_embedding.weight
        filled = [*before, *[self._rule.pad + 1] * (prefix - len(before))]
        ids = torch.full((len(names), self.context_length), self._rule.pad)
        for row, name in zip(ids, names, strict=True):
            row[: prefix + len(name)] = torch.tensor([*filled, *name])
        last = self._module.positional_embedding.shape[0] - 1
        at_eot = [prefix + len(name) - 1 for name in names]
        read = {"last": [last] * len(names), "first": [0] * len(names)}.get(self._pool, at_eot)
        return PaddedNames(names, prefix, ids.to(weight.device), torch.tensor(read, device=weight.device))

    def _encode(self, contexts: Tensor, names: NameTokens, budget: float) -> Tensor:
        padded = cast(PaddedNames, names)
        name = len(contexts) * padded.ids.shape[1] * self.width * contexts.element_size()
        at_once = max(int(budget / (name * _STORED_WIDTHS * len(self._blocks))), 1)
        run: Callable[..., Tensor] = self._pass
        if at_once < len(names):
            run = partial(computed_again, run)
            # As many chunks as needed, each about as large.
            at_once = math.ceil(len(names) / math.ceil(len(names) / at_once))
        rows, read = padded.ids.split(at_once), padded.read.split(at_once)  # type: ignore[no-untyped-call]
        return torch.cat([run(contexts, *chunk) for chunk in zip(rows, read, strict=True)])

    def _pass(self, contexts: Tensor, ids: Tensor, read: Tensor) -> Tensor:
        """Features (K, P, D) of so many rows of token ids (K, L)."""
        module, start = self._module, len(self._rule.before)
        (prompts, tokens), count = contexts.shape[:2], len(ids)
        embedded = module.token_embedding(ids)[:, None].expand(-1, prompts, -1, -1)
        parts = [embedded[:, :, :start], contexts.expand(count, -1, -1, -1), embedded[:, :, start + tokens :]]
        if getattr(module, "cls_emb", None) is not None:
            parts.append(module.cls_emb.expand(count, prompts, 1, -1))
        x = torch.cat(parts, dim=2).flatten(0, 1) + module.positional_embedding
        x = module.transformer(x, attn_mask=self._mask(ids, x.shape[1], x.dtype, prompts))
        rows = torch.arange(len(x), device=x.device)
        return project(module, x[rows, read.repeat_interleave(prompts)]).unflatten(0, (count, prompts))  # type: ignore[no-untyped-call, no-any-return]

    def _mask(self, ids: Tensor, length: int, dtype: torch.dtype, prompts: int) -> Tensor | None:
        """What is added to the attention: the causal mask, and some encoders' of padding and class embedding."""
        module = self._module
        if not getattr(module, "use_pad_mask", False) and getattr(module, "cls_emb", None) is None:
            return cast("Tensor | None", module.attn_mask)
        padding: Tensor = module._build_additive_mask(ids.repeat_interleave(prompts, dim=0), length, dtype)
        return padding if module.attn_mask is None else module.attn_mask[:length, :length] + padding
