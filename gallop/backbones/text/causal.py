"""Contexts and class names through a frozen, causal CLIP text encoder, without the waste.

Every prompt is ``[SOS] context name [EOT]`` and its feature is read at EOT (paper, section 2). The plain way runs the
encoder at 77 tokens for every class and prompt. What follows computes the same numbers (up to rounding) and the same
gradients only from what is needed. The encoder is causal: a token sees what comes before it and nothing else. So

(a) what comes after EOT never matters. Sequences end there: ImageNet's names have 3.2 tokens with EOT on average.
(b) ``[SOS] context``, the prefix, comes before every name, so it passes the encoder once a prompt. Its keys and values
    are shared by all K classes; gradients flow back through them, summed over the classes.
(c) names are packed: several share a row of about 32 tokens, so that a long name pads no other, and the prefix
    comes before the first row. All that acts on single tokens (norms, projections, MLP: 98% of the work) sees one long
    sequence a prompt; in attention a mask shows each token the prefix and its name up to itself. A row is short because
    attention costs its length squared; rows after the first get copies of the prefix's keys and values.
(d) in the last block only EOT is read, so its query, attention output and MLP are computed there alone; keys and values
    still come from every token.
(e) before the first block a name's tokens depend on no prompt yet, so its queries, keys and values there are computed
    once for all prompts.
(f) prompts are independent of each other. On a CPU each thread takes some of them through the entire encoder and back
    (``gallop.runtime.threads``), where otherwise all threads would wait for each other after every operation.

What is stored for the backward pass is limited to ``memory_budget``, in bytes. As long as all of it fits, it is stored.
Beyond that the first blocks, as many as it takes, store nothing but their input and are computed again on the way back,
up to the MLP's second matrix, which no gradient needs: a thirteenth of the memory for two thirds of a forward pass.
Names then pass in chunks, each behind its copy of the prefix, so that the block under way stays small. Where the
blocks' inputs alone would be more than the budget, a chunk stores nothing and makes a complete second forward pass:
only what a single chunk has beyond the budget, in a deep encoder, is computed a third time.

Frozen weights need no gradient, so the backward pass costs as much as the forward one, but for (e), whose names have
none. Both, for the tokens needed, are the floor that ``benchmarks/text.py`` measures against.

Shapes: P prompts, K classes, C context tokens, S = 1 + C prefix tokens, G rows of L tokens, H heads, T text width, D
joint width.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from gallop.backbones.text.encoder import NameTokens, TextEncoder, computed_again, project

ROW = 32
"""Tokens that a row of packed names aims at: enough for the processor's kernels, short enough for attention."""

# Numbers of width T that a block stores for a token when nothing is computed again: 1 input, 3 query, key and value,
# 2 keys and values with copies of the prefix's, 1 attention output, 1 residual, 4 MLP, and what lies in between.
_STORED_WIDTHS = 13


@dataclass(frozen=True, eq=False)
class PackedNames(NameTokens):
    """K class names, packed into G rows of L behind a prefix of S tokens, which is in the first row.

    Attributes:
        ids: token ids (G * L - S,) behind the prefix: names one after the other, then zeros that nothing reads.
        positions: the place of each of them in a prompt: from S in every name.
        visible: what each token may see: all of the prefix, and its name up to itself. (1, L, L), or with more than one
            row (G, L, S + L), where rows begin with a copy of the prefix that is for all but the first.
        eot: (K,) the position of each name's EOT, as an index into all G * L tokens.
        slots: (G, E) the names whose EOTs are in a row, filled up with others.
        order: (K,) the position of each name in ``slots``.
    """

    ids: Tensor
    positions: Tensor
    visible: Tensor
    eot: Tensor
    slots: Tensor
    order: Tensor
    _splits: dict[int, list[PackedNames]] = field(default_factory=dict, init=False, repr=False)

    @property
    def tokens(self) -> int:
        """G * L"""
        return self.prefix + len(self.ids)

    def split(self, parts: int) -> list[PackedNames]:
        """Return the names in about so many parts of about as many tokens, in order, each packed for itself."""
        if parts == 1:
            return [self]
        if parts not in self._splits:
            ends = list(accumulate(map(len, self.names)))
            cuts = {bisect_left(ends, ends[-1] * part / parts) for part in range(parts)}
            bounds = pairwise([*sorted(cuts), len(ends)])
            self._splits[parts] = [pack(self.names[start:stop], self.prefix, self.ids.device) for start, stop in bounds]
        return self._splits[parts]


def pack(names: Sequence[Sequence[int]], prefix: int, device: torch.device) -> PackedNames:
    """Put token ids of names into rows: the longest first, each into the first row that has room for it."""
    total, longest = sum(map(len, names)), max(map(len, names))
    rows = math.ceil(total / max(longest, ROW))
    length = max(longest, math.ceil((prefix + total) / rows))
    by_length = sorted(range(len(names)), key=lambda i: -len(names[i]))
    while (places := _places([len(names[i]) for i in by_length], [prefix] + [0] * (rows - 1), length)) is None:
        length += 1
    ids, positions = torch.zeros(rows * length, dtype=torch.long), torch.full((rows * length,), prefix)
    owner = torch.full((rows * length,), -1)
    owner[:prefix] = -2
    eot = torch.zeros(len(names), dtype=torch.long)
    in_row: list[list[int]] = [[] for _ in range(rows)]
    for i, place in zip(by_length, places, strict=True):
        inside = slice(place, place + len(names[i]))
        ids[inside], owner[inside] = torch.tensor(names[i]), i
        positions[inside] += torch.arange(len(names[i]))
        eot[i] = inside.stop - 1
        in_row[place // length].append(i)
    owner = owner.view(rows, length)
    visible = (owner.unsqueeze(2) == owner.unsqueeze(1)) & torch.ones(length, length, dtype=torch.bool).tril()
    visible[0, prefix:, :prefix] = True
    if rows > 1:
        visible = torch.cat([torch.arange(rows).view(-1, 1, 1).expand(-1, length, prefix) > 0, visible], dim=2)
    slots = pad_sequence([torch.tensor(members, dtype=torch.long) for members in in_row], batch_first=True)
    order = torch.zeros(len(names), dtype=torch.long)
    for row, members in enumerate(in_row):
        order[members] = row * slots.shape[1] + torch.arange(len(members))
    return PackedNames(
        names,
        prefix,
        ids=ids[prefix:].to(device),
        positions=positions[prefix:].to(device),
        visible=visible.to(device),
        eot=eot.to(device),
        slots=slots.to(device),
        order=order.to(device),
    )


def _places(lengths: Sequence[int], used: list[int], length: int) -> list[int] | None:
    """Where names of these lengths start in rows that are used so far; None if they do not fit."""
    used, places = list(used), []
    for size in lengths:
        row = next((row for row, taken in enumerate(used) if taken + size <= length), None)
        if row is None:
            return None
        places.append(row * length + used[row])
        used[row] += size
    return places


class CausalTextEncoder(TextEncoder):
    """The frozen text half of a CLIP whose tokens see what comes before them, and whose feature is read at EOT."""

    def _arranged(self, names: Sequence[Sequence[int]], prefix: int) -> PackedNames:
        return pack(names, prefix, self._module.positional_embedding.device)

    def _encode(self, contexts: Tensor, names: NameTokens, budget: float) -> Tensor:
        packed = cast(PackedNames, names)
        number = len(contexts) * self.width * contexts.element_size()  # bytes of one number of width T for every prompt
        # A sixteenth for the block under way, but no less than a row, or prefixes would be most of a chunk.
        wanted = math.ceil(16 * _STORED_WIDTHS * number * packed.tokens / budget)
        chunks = packed.split(min(wanted, len(packed.visible)))
        input_ = number * sum(chunk.tokens for chunk in chunks)
        run: Callable[..., Tensor] = self._pass
        if len(self._blocks) * input_ > budget:
            run = partial(computed_again, run)
            input_ = number * max(chunk.tokens for chunk in chunks)  # on the way back each has the budget to itself
        stored = _STORED_WIDTHS * input_  # of a block for which nothing is computed again
        over = len(self._blocks) * stored - budget
        again = min(max(math.ceil(over / (stored - input_)), 0), len(self._blocks))
        return torch.cat([run(contexts, chunk, again) for chunk in chunks], dim=1).transpose(0, 1)

    def _pass(self, contexts: Tensor, names: PackedNames, again: int) -> Tensor:
        """Features (P, K, D); so many blocks are computed again on the way back."""
        module, prompts = self._module, len(contexts)
        sos = module.token_embedding.weight[self._rule.before[0]].expand(prompts, 1, -1)
        prefix = torch.cat([sos, contexts], dim=1) + module.positional_embedding[: names.prefix]
        rest = module.token_embedding(names.ids) + module.positional_embedding[names.positions]
        x = torch.cat([prefix, rest.expand(prompts, -1, -1)], dim=1)
        eots = names.visible.flatten(0, 1)[names.eot[names.slots]]  # (G, E, L or S + L)
        visible, at_eot = (mask.repeat(prompts, 1, 1).unsqueeze(1) for mask in (names.visible, eots))
        for i, block in enumerate(self._blocks):
            run: Callable[..., Tensor] = partial(computed_again, self._block) if i < again else self._block
            x = run(block, x, names, at_eot if block is self._blocks[-1] else visible)
        return project(module, x)

    def _block(self, block: Any, x: Tensor, names: PackedNames, visible: Tensor) -> Tensor:
        """One block on all tokens (P, G * L, T); the last gives (P, K, T), what is at the EOTs.

        Args:
            visible: (P * G, 1, L, keys), or of the EOTs (P * G, 1, E, keys).
        """
        normed, width = block.ln_1(x), self.width
        if block is self._blocks[-1]:
            q = _projected(block, normed.index_select(1, names.eot), slice(0, width))
            kv = _projected(block, normed, slice(width, None))
            seen = self._attend(q.index_select(1, names.slots.flatten()), kv, names.prefix, visible)
            return _residual(block, x.index_select(1, names.eot), seen.index_select(1, names.order))
        if block is self._blocks[0]:
            prefix, rest = normed[:, : names.prefix], normed[:1, names.prefix :].detach()
            qkv = torch.cat([_projected(block, prefix), _projected(block, rest).expand(len(x), -1, -1)], dim=1)
        else:
            qkv = _projected(block, normed)
        seen = self._attend(qkv[..., :width], qkv[..., width:], names.prefix, visible)
        return _residual(block, x, seen)

    def _attend(self, q: Tensor, kv: Tensor, prefix: int, visible: Tensor) -> Tensor:
        """Attention (P, G * queries, T) to keys and values (P, G * L, 2 T) as far as they are visible."""
        prompts = len(kv)
        rows = len(visible) // prompts
        kv = kv.unflatten(1, (rows, -1))  # type: ignore[no-untyped-call]
        if rows > 1:
            kv = torch.cat([kv[:, :1, :prefix].expand(-1, rows, -1, -1), kv], dim=2)
        k, v = (self._heads(part.flatten(0, 1)) for part in kv.chunk(2, dim=-1))
        q = self._heads(q.reshape(prompts * rows, -1, self.width))
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        return seen.transpose(1, 2).reshape(prompts, -1, self.width)

    def _heads(self, x: Tensor) -> Tensor:
        """(B, L, T) -> (B, H, L, T / H)"""
        return x.unflatten(-1, (self._blocks[0].attn.num_heads, -1)).transpose(1, 2)  # type: ignore[no-untyped-call, no-any-return]


def _projected(block: Any, x: Tensor, which: slice = slice(None)) -> Tensor:
    """Query, key and value (..., 3 T) of attention, or those of their 3 T numbers that are asked for."""
    return F.linear(x, block.attn.in_proj_weight[which], block.attn.in_proj_bias[which])


def _residual(block: Any, x: Tensor, seen: Tensor) -> Tensor:
    """The rest of a pre-norm block, from what attention saw (..., T) to the block's output (..., T)."""
    x = x + block.ls_1(block.attn.out_proj(seen))
    hidden = block.mlp.c_fc(block.ln_2(x))
    if type(block.mlp.gelu).__name__ == "QuickGELU":
        # x sigmoid(1.702 x) as torch's SiLU, which stores one number for the way back where the product stores two.
        hidden = F.silu(hidden.mul_(1.702)).div_(1.702)
    else:
        hidden = block.mlp.gelu(hidden)
    return cast(Tensor, x + block.ls_2(block.mlp.c_proj(hidden)))


# Tokens of CLIP's table.
_VOCABULARY = 49408


def reads_clip_tokens(encoder: TextEncoder) -> bool:
    """Return whether ``TokenIdEncoder`` takes an encoder: one of CLIP's kind, with CLIP's table of tokens."""
    return (
        isinstance(encoder, CausalTextEncoder)
        and len(encoder._module.token_embedding.weight) == _VOCABULARY
        and encoder._rule.before == (_VOCABULARY - 2,)
    )


class TokenIdEncoder(nn.Module):
    """Token ids (K, L), from SOS to EOT and beyond, and where EOT is (K,), to features (K, D), not normalised."""

    table: Tensor
    mask: Tensor

    def __init__(self, encoder: CausalTextEncoder) -> None:
        super().__init__()
        self.text_encoder = encoder._module
        self._heads: int = encoder._blocks[0].attn.num_heads
        # In half precision where that changes nothing: it is the largest part of a small encoder, and is looked up.
        table = self.text_encoder.token_embedding.weight.detach().float()
        self.register_buffer("table", table.half() if torch.equal(table.half().float(), table) else table)
        length = len(self.text_encoder.positional_embedding)
        self.register_buffer("mask", torch.full((length, length), -math.inf).triu_(1))

    def forward(self, ids: Tensor, read: Tensor) -> Tensor:
        count, length = ids.shape
        x = self.table.index_select(0, ids.flatten().long()).float()
        x = x.reshape(count, length, -1) + self.text_encoder.positional_embedding[:length].float()
        mask = self.mask[:length, :length]
        for block in self.text_encoder.transformer.resblocks:
            x = x + block.ls_1(self._attended(block, block.ln_1(x), mask))
            x = x + block.ls_2(block.mlp.c_proj(block.mlp.gelu(block.mlp.c_fc(block.ln_2(x)))))
        at_eot = read.long().reshape(count, 1, 1).expand(-1, 1, x.shape[-1])
        return project(self.text_encoder, x.gather(1, at_eot).squeeze(1))

    def _attended(self, block: Any, x: Tensor, mask: Tensor) -> Tensor:
        count, length, width = x.shape
        each = F.linear(x, block.attn.in_proj_weight, block.attn.in_proj_bias)
        q, k, v = each.reshape(count, length, 3, self._heads, width // self._heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(width // self._heads) + mask).softmax(dim=-1)
        return cast(Tensor, block.attn.out_proj((weights @ v).transpose(1, 2).reshape(count, length, width)))
