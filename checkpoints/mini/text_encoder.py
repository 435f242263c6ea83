"""The text encoder, taught to point at the directions of the joint space from the words alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from phrases import FORMS, FULL_STOP_FRACTION
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from vocabulary import Vocabulary

__all__ = ["Recipe", "encode", "start", "train"]

_TOGETHER = 256
"""Rows that go through the text encoder at once."""
_CG_STEPS = 60
"""By then the residual of the start's regression is a thousandth of what it was."""
_END = 49407
"""CLIP's end-of-text token, the last of its vocabulary."""


@dataclass(frozen=True)
class Recipe:
    """Settings of the training."""

    steps: int
    batch: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 100
    contrastive: float = 0.1
    contrastive_scale: float = 30.0
    longest_name: int = 9
    seed: int = 0


@dataclass(frozen=True)
class _Codes:
    """Phrases of a group as rows of token numbers (padded with zeros), the length of each, its row of the targets."""

    tokens: Tensor
    lengths: Tensor
    rows: Tensor
    count: int


def _encode_group(names: Sequence[str], rows: Tensor, count: int, tokenizer: SimpleTokenizer, longest: int) -> _Codes:
    """Tokenize once; phrases above ``longest`` tokens are dropped, for one of them makes the entire batch long."""
    coded = [tokenizer.encode(name) for name in names]
    short = [number for number, code in enumerate(coded) if 0 < len(code) <= longest]
    tokens = torch.zeros(len(short), longest, dtype=torch.long)
    for row, number in enumerate(short):
        tokens[row, : len(coded[number])] = torch.tensor(coded[number])
    return _Codes(tokens, torch.tensor([len(coded[number]) for number in short]), rows[short], count)


def encode(model: CLIP, tokens: Tensor, embeddings: Tensor | None = None) -> Tensor:
    """Text features of token rows, each computed no further than its end; ``embeddings`` in place of the model's own.

    Equal to ``model.encode_text`` on the same rows padded to the context length: the text encoder is causal, so what
    follows the end never matters. Rows of like length go through together.
    """
    # The end-of-text token has the largest number of all.
    ends = tokens.argmax(dim=1)
    order = ends.argsort(stable=True)
    table = model.token_embedding.weight if embeddings is None else embeddings
    hidden = F.embedding(tokens, table) + model.positional_embedding[: tokens.shape[1]]
    parts = []
    for rows in order.split(_TOGETHER):
        length = int(ends[rows[-1]]) + 1
        # The fused attention of PyTorch 2.13 is several times slower than plain products on sequences this short.
        with torch.autocast("cpu", torch.bfloat16, enabled=model.training), sdpa_kernel(SDPBackend.MATH):
            part = model.transformer(hidden[rows, :length], attn_mask=model.attn_mask[:length, :length])
        parts.append(part[torch.arange(len(rows)), ends[rows]].float())
    last = torch.cat(parts)[order.argsort()]
    return F.normalize(model.ln_final(last) @ model.text_projection, dim=1)


def start(model: CLIP, vocabulary: Vocabulary, tokenizer: SimpleTokenizer) -> None:
    """Token embeddings and text projection to begin with, so that every token starts near what it means.

    The projection is the subspace, as wide as the text encoder, that holds most of the classes' directions; the
    embeddings solve a ridge regression from phrases (each the mean of its tokens) onto their targets there.
    """
    groups = vocabulary.groups.values()
    coded = [tokenizer.encode(name) for group in groups for name in group.names]
    lengths = np.array([len(code) for code in coded])
    mean = scipy.sparse.csr_matrix(
        (
            np.repeat(1 / np.maximum(lengths, 1), lengths),
            np.concatenate(coded),
            np.concatenate([[0], lengths.cumsum()]),
        ),
        shape=(len(coded), model.token_embedding.num_embeddings),
        dtype=np.float32,
    )
    classes = vocabulary.targets[vocabulary.groups["classes"].rows]
    basis = torch.linalg.svd(classes, full_matrices=False).Vh[: model.text_projection.shape[0]]
    wanted = vocabulary.targets[torch.cat([group.rows for group in groups])] @ basis.T
    solved = _ridge(mean, wanted.numpy(), strength=0.3)
    embedding = torch.from_numpy(solved)
    # Both keep the size that open_clip gives them.
    model.token_embedding.weight.data.copy_(0.02 * embedding / embedding.std())
    model.text_projection.data.copy_(basis * len(basis) ** -0.5)


def _ridge(x: scipy.sparse.csr_matrix, y: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    """Ridge regression (tokens, D) from sparse x (n, tokens) onto y (n, D), by conjugate gradients for each column."""
    transposed = x.T.tocsr()
    residual = transposed @ y
    solution, direction = np.zeros_like(residual), residual.copy()
    square = (residual**2).sum(axis=0)
    for _ in range(_CG_STEPS):
        image = transposed @ (x @ direction) + strength * direction
        step = square / (direction * image).sum(axis=0)
        solution += step * direction
        residual -= step * image
        last, square = square, (residual**2).sum(axis=0)
        direction = residual + square / last * direction
    return solution


def train(model: CLIP, vocabulary: Vocabulary, tokenizer: SimpleTokenizer, recipe: Recipe) -> Iterator[float]:
    """Train the text encoder in place; yields the loss after every step."""
    groups = [
        _encode_group(group.names, group.rows, round(group.fraction * recipe.batch), tokenizer, recipe.longest_name)
        for group in vocabulary.groups.values()
    ]
    forms = [_form_tokens(form, tokenizer) for form in FORMS]
    form_fractions = torch.tensor(list(FORMS.values()))
    stop = tokenizer.encode(".")[0]
    draws = torch.Generator().manual_seed(recipe.seed)
    optimizer = _optimizer(model, recipe)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    model.train()
    for _ in range(recipe.steps):
        names, lengths, rows = _draw(groups, draws)
        chosen = torch.multinomial(form_fractions, len(rows), replacement=True, generator=draws)
        stops = torch.rand(len(rows), generator=draws) < FULL_STOP_FRACTION
        tokens = _assemble(names, lengths, [forms[number] for number in chosen.tolist()], stops * stop)
        loss = _loss(encode(model, tokens), rows, vocabulary.targets, recipe)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield loss.item()
    model.eval()


def _form_tokens(form: str, tokenizer: SimpleTokenizer) -> tuple[list[int], list[int]]:
    # CLIP's byte-pair code never joins two words, so a name can be coded apart from what is before and after it.
    before, _, after = form.partition("{}")
    return tokenizer.encode(before), tokenizer.encode(after)


def _optimizer(model: CLIP, recipe: Recipe) -> torch.optim.AdamW:
    weights = [
        value for key, value in model.named_parameters() if not key.startswith("visual.") and key != "logit_scale"
    ]
    # Vectors (norms, biases) are not decayed, as in CLIP (Radford et al. 2021, section 2.5).
    groups = [
        {"params": [value for value in weights if value.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [value for value in weights if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def _rate(step: int, recipe: Recipe) -> float:
    warm = min(1.0, (step + 1) / recipe.warmup)
    return warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _draw(groups: list[_Codes], draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, lengths and target rows of a batch's phrases."""
    picks = [torch.randint(len(group.rows), (group.count,), generator=draws) for group in groups]
    parts = [
        (group.tokens[pick], group.lengths[pick], group.rows[pick]) for group, pick in zip(groups, picks, strict=True)
    ]
    tokens, lengths, rows = (torch.cat(column) for column in zip(*parts, strict=True))
    return tokens, lengths, rows


def _assemble(names: Tensor, lengths: Tensor, forms: list[tuple[list[int], list[int]]], stops: Tensor) -> Tensor:
    """Token rows: start, the form around the name, a full stop where ``stops`` is its token and not 0, end."""
    texts = [
        [_END - 1, *before, *name[:length], *after, *([stop] if stop else []), _END]
        for name, length, (before, after), stop in zip(
            names.tolist(), lengths.tolist(), forms, stops.tolist(), strict=True
        )
    ]
    tokens = torch.zeros(len(texts), max(map(len, texts)), dtype=torch.long)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = torch.tensor(text)
    return tokens


def _loss(features: Tensor, rows: Tensor, targets: Tensor, recipe: Recipe) -> Tensor:
    """1 - cosine with the true target, and a little of choosing it among all different targets of the batch."""
    different, true = rows.unique(return_inverse=True)
    cosines = features @ targets[different].T
    distance = 1 - cosines.gather(1, true[:, None]).mean()
    return distance + recipe.contrastive * F.cross_entropy(recipe.contrastive_scale * cosines, true)
