"""The text tower, taught to point at the directions of the joint space from the words alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from targets import Group, Vocabulary
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["Recipe", "Words", "encode", "prepare", "train"]

FORMS = ("A photo of a {}", "{}", "a {}", "a photo of the {}")
"""Forms of speech around a name; the tokenizer writes all in lower case, so 'A' is 'a'."""

_FORM_SHARES = torch.tensor([0.7, 0.1, 0.1, 0.1])
_TOGETHER = 64
"""Rows that go through the tower at once."""
_END = 49407
"""CLIP's end-of-text token, the last of its vocabulary."""


@dataclass(frozen=True)
class Recipe:
    """Settings of the training. The shares of a batch are those of classes, synonyms, inner nodes and other nouns."""

    steps: int
    batch: int = 256
    shares: tuple[float, ...] = (1 / 3, 1 / 8, 1 / 8, 5 / 12)
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 100
    contrastive: float = 0.1
    contrastive_scale: float = 30.0
    longest_name: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Words:
    """Names as rows of token numbers (padded with zeros), the length of each, and its row of the target table."""

    tokens: Tensor
    lengths: Tensor
    rows: Tensor


def prepare(group: Group, tokenizer: SimpleTokenizer, longest: int) -> Words:
    """Tokenize names once; those above ``longest`` tokens are dropped, for one of them makes a whole batch long."""
    coded = [tokenizer.encode(name) for name in group.names]
    kept = [number for number, code in enumerate(coded) if len(code) <= longest]
    tokens = torch.zeros(len(kept), longest, dtype=torch.long)
    for row, number in enumerate(kept):
        tokens[row, : len(coded[number])] = torch.tensor(coded[number])
    return Words(tokens, torch.tensor([len(coded[number]) for number in kept]), group.rows[kept])


def encode(model: CLIP, tokens: Tensor) -> Tensor:
    """Text features of token rows, each computed no further than its end.

    Equal to ``model.encode_text`` on the same rows padded to the context length: the tower is causal, so what stands
    after the end never matters. Rows of like length go through together.
    """
    # The end-of-text token has the largest number of all.
    ends = tokens.argmax(dim=1)
    order = ends.argsort(stable=True)
    hidden = model.token_embedding(tokens) + model.positional_embedding[: tokens.shape[1]]
    parts = []
    for rows in order.split(_TOGETHER):
        length = int(ends[rows[-1]]) + 1
        # The fused attention of PyTorch 2.13 is several times slower than plain products on sequences this short.
        with torch.autocast("cpu", torch.bfloat16, enabled=model.training), sdpa_kernel(SDPBackend.MATH):
            part = model.transformer(hidden[rows, :length], attn_mask=model.attn_mask[:length, :length])
        parts.append(part[torch.arange(len(rows)), ends[rows]].float())
    last = torch.cat(parts)[order.argsort()]
    return F.normalize(model.ln_final(last) @ model.text_projection, dim=1)


def train(model: CLIP, vocabulary: Vocabulary, tokenizer: SimpleTokenizer, recipe: Recipe) -> Iterator[float]:
    """Train the tower in place; yields the loss after every step."""
    groups = [vocabulary.classes, vocabulary.synonyms, vocabulary.inner, vocabulary.others]
    words = [prepare(group, tokenizer, recipe.longest_name) for group in groups]
    forms = [_form_tokens(form, tokenizer) for form in FORMS]
    draws = torch.Generator().manual_seed(recipe.seed)
    optimizer = _optimizer(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    model.train()
    for _ in range(recipe.steps):
        tokens, rows = _batch(words, forms, recipe, draws)
        loss = _loss(encode(model, tokens), rows, vocabulary.targets, recipe)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield loss.item()
    model.eval()


def _form_tokens(form: str, tokenizer: SimpleTokenizer) -> Tensor:
    # CLIP's byte-pair code never joins two words, so a name can be coded apart from what stands before it.
    return torch.tensor([tokenizer.sot_token_id, *tokenizer.encode(form.format(""))])


def _optimizer(model: CLIP, recipe: Recipe) -> torch.optim.AdamW:
    tower = [value for key, value in model.named_parameters() if not key.startswith("visual.") and key != "logit_scale"]
    # Vectors (norms, biases) are not decayed, as in CLIP (Radford et al. 2021, section 2.5).
    groups = [
        {"params": [value for value in tower if value.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [value for value in tower if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def _rate(step: int, recipe: Recipe) -> float:
    warm = min(1.0, (step + 1) / recipe.warmup)
    return warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _batch(words: list[Words], forms: list[Tensor], recipe: Recipe, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Token rows cut to the longest of them, and the target row of each."""
    sizes = [round(share * recipe.batch) for share in recipe.shares]
    picks = [torch.randint(len(w.rows), (size,), generator=draws) for w, size in zip(words, sizes, strict=True)]
    names = torch.cat([w.tokens[pick] for w, pick in zip(words, picks, strict=True)])
    lengths = torch.cat([w.lengths[pick] for w, pick in zip(words, picks, strict=True)])
    rows = torch.cat([w.rows[pick] for w, pick in zip(words, picks, strict=True)])
    chosen = torch.multinomial(_FORM_SHARES, len(rows), replacement=True, generator=draws)
    return _assemble(names, lengths, [forms[number] for number in chosen.tolist()]), rows


def _assemble(names: Tensor, lengths: Tensor, prefixes: list[Tensor]) -> Tensor:
    tokens = torch.zeros(len(names), names.shape[1] + max(map(len, prefixes)) + 1, dtype=torch.long)
    for row, (name, length, prefix) in enumerate(zip(names, lengths.tolist(), prefixes, strict=True)):
        stop = len(prefix) + length
        tokens[row, : len(prefix)] = prefix
        tokens[row, len(prefix) : stop] = name[:length]
        tokens[row, stop] = _END
    return tokens[:, : int(tokens.argmax(dim=1).max()) + 1]


def _loss(features: Tensor, rows: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """1 - cosine with the own target, and a little of choosing it among all different targets of the batch."""
    different, own = rows.unique(return_inverse=True)
    cosines = features @ targets[different].T
    distance = 1 - cosines.gather(1, own[:, None]).mean()
    return distance + recipe.contrastive * F.cross_entropy(recipe.contrastive_scale * cosines, own)
