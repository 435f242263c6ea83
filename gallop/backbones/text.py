"""Contexts and class names through a frozen, causal CLIP text tower, without the waste.

Every prompt is ``[SOS] context name [EOT]`` and its feature is read at EOT (paper, section 2). Because the tower is
causal, a token never sees what comes after it, and three savings are exact (equal to the plain tower up to rounding):

1. Tokens after EOT never matter, so sequences are cut to the longest name instead of the tower's 77.
2. ``[SOS] context`` comes before every class name, so it is computed once per prompt: its keys and values are shared
   by all K classes (gradients flow back through them, summed over the classes).
3. In the last block only the EOT position is read, so queries, attention output and MLP are computed there alone.

Shapes: P prompts, K classes, C context tokens, S name tokens with EOT (the longest), H heads, T text width, D joint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gallop.classes import ClassNameError


class UnsupportedTower(ValueError):
    """A text or vision tower whose features GalLoP does not define; the message says what it has and what is needed."""


@dataclass(frozen=True)
class NameTokens:
    """Class names as tokens: ``ids`` (K, S) each name's tokens then EOT then zeros; ``eot`` (K,) where EOT stands."""

    ids: Tensor
    eot: Tensor

    def __len__(self) -> int:
        return len(self.ids)


class TextTower:
    """The frozen text half of a CLIP.

    Args:
        module: open_clip's ``CLIP``, or the ``text`` part of a ``CustomTextCLIP``.
        tokenizer: open_clip's ``SimpleTokenizer``.

    Raises:
        UnsupportedTower: not causal with EOT pooling, or built of other blocks than CLIP's.
    """

    def __init__(self, module: nn.Module, tokenizer: Any) -> None:
        _check_tower(module)
        self._module = cast(Any, module)
        self._tokenizer = tokenizer
        self._blocks = list(self._module.transformer.resblocks)
        self.heads: int = self._blocks[0].attn.num_heads
        self.context_length: int = self._module.positional_embedding.shape[0]
        self.width: int = self._module.positional_embedding.shape[1]

    def tokenize(self, names: Sequence[str], *, context_tokens: int) -> NameTokens:
        """Tokens of class names that will stand after ``context_tokens`` (C) learned vectors.

        Raises:
            ClassNameError: a name that does not fit the tower after SOS and the context, or holds a special token.
        """
        room = self.context_length - 1 - context_tokens
        rows = [self._name_ids(name, room) for name in names]
        longest = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        eot = torch.tensor([len(row) - 1 for row in rows])
        device = self._module.positional_embedding.device
        return NameTokens(ids=ids.to(device), eot=eot.to(device))

    def _name_ids(self, name: str, room: int) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(name)
        special = set(self._tokenizer.all_special_ids)
        if special.intersection(tokens):
            raise ClassNameError(f"The class name {name!r} holds a special token of the text tower; take it out.")
        if len(tokens) + 1 > room:
            raise ClassNameError(
                f"The class name {name[:60]!r} has {len(tokens)} tokens; after the context the text tower has room for "
                f"{max(room - 1, 0)}. Use a shorter name."
            )
        return [*tokens, self._tokenizer.eot_token_id]

    def embed(self, text: str) -> Tensor:
        """Token embeddings (C, T) of a text, without SOS and EOT: what a context starts from."""
        ids = torch.tensor(self._tokenizer.encode(text), dtype=torch.long)
        weight: Tensor = self._module.token_embedding.weight
        return weight[ids.to(weight.device)].detach().clone()

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Features (K, D), not normalised, of plain texts such as "A photo of a cat"."""
        no_context = self._module.positional_embedding.new_zeros(1, 0, self.width)
        return self.encode(no_context, self.tokenize(texts, context_tokens=0))[:, 0]

    def encode(self, contexts: Tensor, names: NameTokens) -> Tensor:
        """Features (K, P, D), not normalised, of every class name after every context (P, C, T)."""
        prefix, suffix = self._embed_all(contexts, names)
        start = prefix.shape[1]
        mask = _prefix_and_causal(start, suffix.shape[-2], suffix.device)
        for block in self._blocks[:-1]:
            prefix, suffix = self._block(block, prefix, suffix, mask)
        x = self._last_block(self._blocks[-1], prefix, suffix, names.eot)
        return self._project(x).transpose(0, 1)

    def _embed_all(self, contexts: Tensor, names: NameTokens) -> tuple[Tensor, Tensor]:
        """Input of the first block: prefix (P, 1 + C, T) and suffix (P, K, S, T)."""
        module = self._module
        positions: Tensor = module.positional_embedding
        sos = module.token_embedding.weight[self._tokenizer.sot_token_id].expand(len(contexts), 1, -1)
        prefix = torch.cat([sos, contexts], dim=1)
        start, length = prefix.shape[1], names.ids.shape[1]
        suffix = module.token_embedding(names.ids) + positions[start : start + length]
        return prefix + positions[:start], suffix.expand(len(contexts), -1, -1, -1)

    def _heads(self, x: Tensor) -> Tensor:
        """(..., L, T) -> (..., H, L, T / H)"""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(-2, -3)

    def _attend(self, q: Tensor, k: tuple[Tensor, Tensor], v: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Attention of the suffix (P, K, H, S, d); keys and values come as (the prefix's (P, H, 1 + C, d), its own)."""
        prompts, classes = q.shape[:2]

        def joined(shared: Tensor, own: Tensor) -> Tensor:
            every = torch.cat([shared.unsqueeze(1).expand(-1, classes, -1, -1, -1), own], dim=-2)
            return every.flatten(0, 1)  # four dimensions: the fused kernels take no more

        seen = F.scaled_dot_product_attention(q.flatten(0, 1), joined(*k), joined(*v), attn_mask=mask)
        return seen.reshape(prompts, classes, *seen.shape[1:])

    def _block(self, block: Any, prefix: Tensor, suffix: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = (self._heads(x) for x in _qkv(block, block.ln_1(prefix)))
        prefix = _residual(block, prefix, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        own_q, own_k, own_v = (self._heads(x) for x in _qkv(block, block.ln_1(suffix)))
        return prefix, _residual(block, suffix, self._attend(own_q, (k, own_k), (v, own_v), mask))

    def _last_block(self, block: Any, prefix: Tensor, suffix: Tensor, eot: Tensor) -> Tensor:
        """The last block at EOT alone: (P, K, T). Keys and values still come from every position up to EOT."""
        _, k, v = (self._heads(x) for x in _qkv(block, block.ln_1(prefix)))
        normed = block.ln_1(suffix)
        own_k, own_v = (self._heads(x) for x in _key_value(block, normed))
        q = self._heads(_query(block, _at(normed, eot)))
        positions = torch.arange(-prefix.shape[1], suffix.shape[-2], device=suffix.device)
        mask = (positions <= eot[:, None])[:, None, None, :]  # (K, 1, 1, 1 + C + S)
        mask = mask.repeat(len(prefix), 1, 1, 1)  # for every prompt
        attended = self._attend(q, (k, own_k), (v, own_v), mask)
        return _residual(block, _at(suffix, eot), attended).squeeze(-2)

    def _project(self, x: Tensor) -> Tensor:
        x = self._module.ln_final(x)
        projection = self._module.text_projection
        if projection is None:
            return x
        return cast(Tensor, projection(x) if isinstance(projection, nn.Linear) else x @ projection)


def _qkv(block: Any, x: Tensor) -> tuple[Tensor, ...]:
    return F.linear(x, block.attn.in_proj_weight, block.attn.in_proj_bias).chunk(3, dim=-1)


def _query(block: Any, x: Tensor) -> Tensor:
    width = x.shape[-1]
    return F.linear(x, block.attn.in_proj_weight[:width], block.attn.in_proj_bias[:width])


def _key_value(block: Any, x: Tensor) -> tuple[Tensor, ...]:
    width = x.shape[-1]
    return F.linear(x, block.attn.in_proj_weight[width:], block.attn.in_proj_bias[width:]).chunk(2, dim=-1)


def _residual(block: Any, x: Tensor, attended: Tensor) -> Tensor:
    """The rest of a pre-norm block, from the attention's heads (..., H, L, d) to the block's output (..., L, T)."""
    x = x + block.ls_1(block.attn.out_proj(attended.transpose(-2, -3).flatten(-2)))
    return cast(Tensor, x + block.ls_2(block.mlp(block.ln_2(x))))


def _at(x: Tensor, position: Tensor) -> Tensor:
    """x (P, K, S, T) at one position per class: (P, K, 1, T)."""
    return x.take_along_dim(position[None, :, None, None], dim=-2)


def _prefix_and_causal(start: int, length: int, device: torch.device) -> Tensor:
    """Mask (S, start + S), True = may be seen: all of the prefix, and the suffix up to oneself."""
    return torch.ones(length, start + length, dtype=torch.bool, device=device).tril(diagonal=start)


def _check_tower(module: nn.Module) -> None:
    """Refuse what the fast path would compute wrongly."""
    need = "GalLoP's prompts need a causal text tower whose feature is read at the end token, as in CLIP"
    for attribute in ("transformer", "token_embedding", "positional_embedding", "ln_final"):
        if not hasattr(module, attribute):
            raise UnsupportedTower(f"This text tower ({type(module).__name__}) is not CLIP's transformer. {need}.")
    if getattr(module, "attn_mask", None) is None:
        raise UnsupportedTower(f"This text tower is bidirectional (it has no causal mask). {need}.")
    pool = getattr(module, "text_pool_type", getattr(module, "pool_type", None))
    if pool not in ("argmax", "eos") or getattr(module, "cls_emb", None) is not None:
        raise UnsupportedTower(f"This text tower pools by {pool!r}, not at the end token. {need}.")
    for block in cast(Any, module).transformer.resblocks:
        if not isinstance(getattr(block, "attn", None), nn.MultiheadAttention) or not hasattr(block, "ls_1"):
            raise UnsupportedTower(
                f"This text tower is built of {type(block).__name__}, which is not read here. {need}."
            )
