"""Contexts and class names through a frozen, causal CLIP text tower, without the waste.

Every prompt is ``[SOS] context name [EOT]`` and its feature is read at EOT (paper, section 2). The plain way runs the
tower at 77 tokens for every class and prompt. What follows computes the same numbers (up to rounding) and the same
gradients from what is needed alone. The tower is causal: a token sees what comes before it and nothing else. So

(a) what comes after EOT never matters. Sequences end there: ImageNet's names have 3.2 tokens with EOT on average.
(b) ``[SOS] context``, the prefix, comes before every name, so it passes the tower once a prompt. In each block its keys
    and values are shared by all K classes; gradients flow back through them, summed over the classes.
(c) names are packed: several share a row of about ``ROW`` tokens, so that a long name pads no other. All that acts on
    single tokens (norms, projections, MLP: 98% of the work) needs no more than the row; in attention a mask shows each
    token the prefix and its own name up to itself. A row is short because attention costs its length squared.
(d) in the last block only EOT is read, so its query, attention output and MLP are computed there alone; keys and values
    still come from every token.
(e) before the first block a name's tokens know no prompt yet, so up to the first attention they are computed once for
    all prompts.

What is kept for the backward pass is bounded by ``memory_budget``, in bytes. As long as it fits, everything is kept.
Beyond that the first blocks, as many as it takes, keep nothing but their input and are computed again on the way back,
up to the MLP's second matrix, which no gradient needs: a thirteenth of the memory for two thirds of a forward pass.
Rows then pass in chunks, so that the block under way stays small. Where the blocks' inputs alone would be more than the
budget, a chunk keeps nothing and passes forward once more.

Nothing here depends on the device. Frozen weights need no gradient, so the backward pass costs as much as the forward
one, and 2 x the forward operations of the tokens needed is the floor that ``benchmarks/text.py`` measures against.

Shapes: P prompts, K classes, C context tokens, G rows of L name tokens, S = 1 + C prefix tokens, H heads, T text width,
D joint width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gallop.backbones.supported import check_text_tower
from gallop.classes import ClassNameError

ROW = 32
"""Tokens that a row of packed names aims at: enough for the processor's kernels, short enough for attention."""

MEMORY_BUDGET = 2**30
"""Bytes that a training step may keep of the text tower on a CPU, and at least on a GPU."""

_KEPT_WIDTHS = 13
"""Numbers of width T that a block keeps for a token when nothing is computed again: 1 input, 3 query, key and value,
2 joined with the prefix's, 1 attention output, 1 residual, 4 MLP, and what lies in between."""


@dataclass(frozen=True)
class NameTokens:
    """K class names as tokens, packed into G rows of L, to stand after a prefix of S tokens.

    Attributes:
        ids: token ids (G, L): names with their EOT one after the other, then zeros that nothing reads.
        positions: (G, L) place of each token behind the prefix, from 0 in every name.
        visible: (G, L, S + L), what each token may see: all of the prefix, and its own name up to itself.
        eot: (K,) where EOT stands, as an index into all G * L tokens, ascending.
        order: (K,) index into ``eot`` of each class, in the order of the class list.
    """

    ids: Tensor
    positions: Tensor
    visible: Tensor
    eot: Tensor
    order: Tensor

    def __len__(self) -> int:
        return len(self.order)

    def chunk(self, start: int, stop: int) -> NameTokens:
        """The names in the rows from ``start`` to ``stop``, in the order of their EOTs."""
        length = self.ids.shape[1]
        inside = (self.eot >= start * length) & (self.eot < stop * length)
        eot = self.eot[inside] - start * length
        rows = slice(start, stop)
        order = torch.arange(len(eot), device=eot.device)
        return NameTokens(self.ids[rows], self.positions[rows], self.visible[rows], eot, order)


def memory_budget(device: torch.device) -> int:
    """Bytes that a training step may keep there: on a GPU a quarter of its memory."""
    if device.type != "cuda":
        return MEMORY_BUDGET
    return max(MEMORY_BUDGET, int(torch.cuda.get_device_properties(device).total_memory) // 4)


class TextTower:
    """The frozen text half of a CLIP.

    Args:
        module: open_clip's ``CLIP``, or the ``text`` part of a ``CustomTextCLIP``.
        tokenizer: open_clip's ``SimpleTokenizer``.

    Attributes:
        memory_budget: bytes that one call of ``encode`` may keep for its backward pass, as well as it can be estimated.

    Raises:
        UnsupportedTower: not causal with EOT pooling, or built of other blocks than CLIP's.
    """

    def __init__(self, module: nn.Module, tokenizer: Any) -> None:
        check_text_tower(module)
        self._module = cast(Any, module)
        self._tokenizer = tokenizer
        self._blocks = list(self._module.transformer.resblocks)
        self.heads: int = self._blocks[0].attn.num_heads
        self.context_length: int = self._module.positional_embedding.shape[0]
        self.width: int = self._module.positional_embedding.shape[1]
        self.memory_budget = memory_budget(self._module.positional_embedding.device)

    def tokenize(self, names: Sequence[str], *, context_tokens: int) -> NameTokens:
        """Tokens of class names that will stand after ``context_tokens`` (C) learned vectors.

        Raises:
            ClassNameError: a name that does not fit the tower after SOS and the context, or holds a special token.
        """
        room = self.context_length - 1 - context_tokens
        device = self._module.positional_embedding.device
        return _pack([self._name_ids(name, room) for name in names], 1 + context_tokens, device)

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

    def vocabulary(self) -> tuple[list[str], Tensor]:
        """Every token as text, a trailing space where a word ends with it, and their embeddings (tokens, T)."""
        weight: Tensor = self._module.token_embedding.weight
        return [self._tokenizer.decode([i]) for i in range(len(weight))], weight.detach()

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Features (K, D), not normalised, of plain texts such as "A photo of a cat"."""
        no_context = self._module.positional_embedding.new_zeros(1, 0, self.width)
        return self.encode(no_context, self.tokenize(texts, context_tokens=0))[:, 0]

    def encode(self, contexts: Tensor, names: NameTokens) -> Tensor:
        """Features (K, P, D), not normalised, of every class name after every context (P, C, T)."""
        rows = len(names.ids)
        # Bytes of one number of width T for every token, and of all that a block keeps.
        input_ = len(contexts) * names.ids.numel() * self.width * contexts.element_size()
        kept = _KEPT_WIDTHS * input_
        over = len(self._blocks) * kept - self.memory_budget
        again = min(max(math.ceil(over / (kept - input_)), 0), len(self._blocks))
        most = math.ceil(rows / math.ceil(16 * kept / self.memory_budget))  # a sixteenth for the block under way
        chunk: Callable[..., Tensor] = self._names
        if len(self._blocks) * input_ > self.memory_budget:
            chunk = partial(_again, chunk)
        shared = self._prefix(contexts)
        parts = [chunk(names.chunk(i, min(i + most, rows)), shared, again) for i in range(0, rows, most)]
        return torch.cat(parts, dim=1)[:, names.order].transpose(0, 1)

    def _prefix(self, contexts: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values (P, S, T) of ``[SOS] context`` in each block."""
        module = self._module
        sos = module.token_embedding.weight[self._tokenizer.sot_token_id].expand(len(contexts), 1, -1)
        x = torch.cat([sos, contexts], dim=1) + module.positional_embedding[: 1 + contexts.shape[1]]
        shared = []
        for block in self._blocks:
            q, k, v = _projections(block, block.ln_1(x))
            shared.append((k, v))
            if block is not self._blocks[-1]:
                heads = self._heads(q), self._heads(k), self._heads(v)
                seen = F.scaled_dot_product_attention(*heads, is_causal=True)
                x = _residual(block, x, seen.transpose(1, 2).flatten(2))
        return shared

    def _names(self, names: NameTokens, shared: list[tuple[Tensor, Tensor]], again: int) -> Tensor:
        """Features (P, K, D) of names in the order of their EOTs; so many blocks are computed again on the way back."""
        prompts, start = shared[0][0].shape[:2]
        positions: Tensor = self._module.positional_embedding
        # For all prompts at once: (1, G, L, T) until the first attention.
        x = (self._module.token_embedding(names.ids) + positions[start + names.positions])[None]
        visible = names.visible.repeat(prompts, 1, 1).unsqueeze(1)  # (P * G, 1, L, S + L)
        for i, (block, (k, v)) in enumerate(zip(self._blocks, shared, strict=True)):
            run: Callable[..., Tensor] = partial(_again, self._block) if i < again else self._block
            x = run(block, x, k, v, visible, names.eot if block is self._blocks[-1] else None)
        return self._project(x)

    def _block(self, block: Any, x: Tensor, k: Tensor, v: Tensor, visible: Tensor, read: Tensor | None) -> Tensor:
        """One block on names (P, G, L, T) after a prefix with keys and values (P, S, T).

        Args:
            read: None for every token; or which of all G * L tokens to compute, giving (P, len(read), T).
        """
        normed = block.ln_1(x)
        if read is None:
            q, own_k, own_v = _projections(block, normed)
            return _residual(block, x, self._attend(q, k, own_k, v, own_v, visible))
        own_k, own_v = _projections(block, normed, slice(1, 3))
        (some,) = _projections(block, normed.flatten(1, 2)[:, read], slice(0, 1))
        # Back to their places in the rows, where the mask is right; what the others attend to is dropped.
        q = torch.zeros_like(own_k).flatten(1, 2).index_copy(1, read, some).view_as(own_k)
        seen = self._attend(q, k, own_k, v, own_v, visible).flatten(1, 2)[:, read]
        return _residual(block, x.flatten(1, 2)[:, read], seen)

    def _attend(self, q: Tensor, k: Tensor, own_k: Tensor, v: Tensor, own_v: Tensor, visible: Tensor) -> Tensor:
        """Attention (P, G, L, T) of names to their prefix (P, S, T) and, as far as visible, themselves (P, G, L, T)."""
        prompts, rows = len(k), q.shape[1]

        def joined(prefix: Tensor, own: Tensor) -> Tensor:
            every = [prefix.unsqueeze(1).expand(-1, rows, -1, -1), own.expand(prompts, -1, -1, -1)]
            return self._heads(torch.cat(every, dim=2).flatten(0, 1))

        q = self._heads(q.expand(prompts, -1, -1, -1).flatten(0, 1))
        seen = F.scaled_dot_product_attention(q, joined(k, own_k), joined(v, own_v), attn_mask=visible)
        return seen.transpose(1, 2).reshape(prompts, rows, -1, self.width)

    def _heads(self, x: Tensor) -> Tensor:
        """(B, L, T) -> (B, H, L, T / H)"""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _project(self, x: Tensor) -> Tensor:
        x = self._module.ln_final(x)
        projection = self._module.text_projection
        if projection is None:
            return x
        return cast(Tensor, projection(x) if isinstance(projection, nn.Linear) else x @ projection)


def _again(function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """Call a function, keep nothing but its inputs, and call it again when its gradient is wanted."""
    return cast(Tensor, checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False))


def _projections(block: Any, x: Tensor, which: slice = slice(0, 3)) -> tuple[Tensor, ...]:
    """Query, key and value (..., T), or those of the three that are asked for."""
    width, count = x.shape[-1], which.stop - which.start
    rows = slice(which.start * width, which.stop * width)
    return F.linear(x, block.attn.in_proj_weight[rows], block.attn.in_proj_bias[rows]).chunk(count, dim=-1)


def _residual(block: Any, x: Tensor, seen: Tensor) -> Tensor:
    """The rest of a pre-norm block, from what attention saw (..., T) to the block's output (..., T)."""
    x = x + block.ls_1(block.attn.out_proj(seen))
    hidden = block.mlp.c_fc(block.ln_2(x))
    if type(block.mlp.gelu).__name__ == "QuickGELU":
        # x sigmoid(1.702 x) as torch's own SiLU, which keeps one number for the way back where the product keeps two.
        hidden = F.silu(hidden.mul_(1.702)).div_(1.702)
    else:
        hidden = block.mlp.gelu(hidden)
    return cast(Tensor, x + block.ls_2(block.mlp.c_proj(hidden)))


def _pack(names: list[list[int]], start: int, device: torch.device) -> NameTokens:
    """Token ids of names into rows: the longest first, each into the first row that has room for it."""
    total, longest = sum(map(len, names)), max(map(len, names))
    rows = math.ceil(total / max(longest, ROW))
    length = max(longest, math.ceil(total / rows))
    by_length = sorted(range(len(names)), key=lambda i: -len(names[i]))
    while (places := _places([len(names[i]) for i in by_length], rows, length)) is None:
        length += 1
    ids, positions = (torch.zeros(rows * length, dtype=torch.long) for _ in range(2))
    owner = torch.full((rows * length,), -1)
    end = torch.zeros(len(names), dtype=torch.long)
    for i, place in zip(by_length, places, strict=True):
        inside = slice(place, place + len(names[i]))
        ids[inside], positions[inside], owner[inside] = torch.tensor(names[i]), torch.arange(len(names[i])), i
        end[i] = inside.stop - 1
    ids, positions, owner = (tensor.view(rows, length) for tensor in (ids, positions, owner))
    same = owner.unsqueeze(2) == owner.unsqueeze(1)
    visible = F.pad(same & torch.ones(length, length, dtype=torch.bool).tril(), (start, 0), value=True)
    eot = end.sort()
    order = eot.indices.argsort()
    return NameTokens(*(tensor.to(device) for tensor in (ids, positions, visible, eot.values, order)))


def _places(lengths: Sequence[int], rows: int, length: int) -> list[int] | None:
    """Where names of these lengths start among all rows * length tokens; None if they do not fit."""
    used, places = [0] * rows, []
    for size in lengths:
        row = next((row for row in range(rows) if used[row] + size <= length), None)
        if row is None:
            return None
        places.append(row * length + used[row])
        used[row] += size
    return places
