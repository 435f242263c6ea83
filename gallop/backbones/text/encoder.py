"""What all text encoders have in common: tokens in, features out, and how much memory a training step may use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gallop.backbones.text.tokenizers import token_rule
from gallop.errors import ClassNameError
from gallop.runtime import threads

MEMORY_BUDGET = 2**30
"""Bytes that a training step may store of the text encoder on a CPU, and at least on a GPU."""


def memory_budget(device: torch.device) -> int:
    """Return how many bytes a training step may store there: on a GPU a quarter of its memory."""
    of_gpu = int(torch.cuda.get_device_properties(device).total_memory) if device.type == "cuda" else 0
    return max(MEMORY_BUDGET, of_gpu // 4)


@dataclass(frozen=True, eq=False)
class NameTokens:
    """K class names as tokens; how they are arranged depends on their text encoder.

    Attributes:
        names: token ids of each name with its EOT.
        prefix: S, how many tokens come before every name.
    """

    names: Sequence[Sequence[int]]
    prefix: int

    def __len__(self) -> int:
        return len(self.names)


class TextEncoder(ABC):
    """The frozen text half of a CLIP; ``text_encoder`` returns the one that fits a module.

    Args:
        module: open_clip's ``CLIP``, or the ``text`` part of a ``CustomTextCLIP``.
        tokenizer: the one that it was trained with.

    Attributes:
        memory_budget: bytes that one call of ``encode`` may store for its backward pass, by an estimate.
    """

    def __init__(self, module: nn.Module, tokenizer: Any) -> None:
        self._module = cast(Any, module)
        self._tokenizer = tokenizer
        self._rule = token_rule(tokenizer)
        self._blocks = list(self._module.transformer.resblocks)
        length, self.width = self._module.positional_embedding.shape
        # Of the tokens: a class embedding behind them, as CoCa has, is not one.
        self.context_length: int = length if getattr(module, "cls_emb", None) is None else length - 1
        self.memory_budget = memory_budget(self._module.positional_embedding.device)

    def tokenize(self, names: Sequence[str], *, context_tokens: int) -> NameTokens:
        """Return tokens of class names that will follow ``context_tokens`` (C) learned vectors.

        Raises:
            ClassNameError: a name that does not fit the encoder after SOS and the context, or holds a special token.
        """
        prefix = len(self._rule.before) + context_tokens
        return self._arranged([self._name_ids(name, self.context_length - prefix) for name in names], prefix)

    @abstractmethod
    def _arranged(self, names: Sequence[Sequence[int]], prefix: int) -> NameTokens:
        """Token ids of names, each with what follows it, as ``encode`` takes them."""

    def _name_ids(self, name: str, room: int) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(name)
        known = len(self._module.token_embedding.weight)
        if self._rule.special.intersection(tokens) or max(tokens, default=0) >= known:
            raise ClassNameError(
                f"The class name {name!r} contains a special token of the text encoder, or one that it does not have. "
                "Remove that token."
            )
        room -= len(self._rule.after)
        if len(tokens) > room:
            raise ClassNameError(
                f"The class name {name[:60]!r} has {len(tokens)} tokens, but the text encoder has room for "
                f"only {max(room, 0)} after the prompt's context. Use a shorter name."
            )
        return [*tokens, *self._rule.after]

    def embed(self, text: str) -> Tensor:
        """Return token embeddings (C, T) of a text, without SOS and EOT: what a context starts from."""
        ids = torch.tensor(self._tokenizer.encode(text), dtype=torch.long)
        weight: Tensor = self._module.token_embedding.weight
        return weight[ids.to(weight.device)].detach().clone()

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return features (K, D), not normalised, of plain texts such as "A photo of a cat"."""
        no_context = self._module.positional_embedding.new_zeros(1, 0, self.width)
        return self.encode(no_context, self.tokenize(texts, context_tokens=0))[:, 0]

    def encode(self, contexts: Tensor, names: NameTokens) -> Tensor:
        """Return features (K, P, D), not normalised, of every class name after every context (P, C, T).

        Gradients reach the contexts. On several threads they can be taken once.
        """
        parts = min(len(contexts), threads.threads_to_share(contexts.device))
        encode = partial(self._encode, names=names, budget=self.memory_budget / parts)
        return threads.in_parts(encode, contexts, parts, dim=1)

    @abstractmethod
    def _encode(self, contexts: Tensor, names: NameTokens, budget: float) -> Tensor:
        """The same on one thread, which may store so many bytes."""


def project(module: Any, x: Tensor) -> Tensor:
    """Return what a text module makes of the tokens that its features are read at: (..., T) -> (..., D)."""
    x = module.ln_final(x)
    projection = module.text_projection
    if projection is None:
        return x
    return cast(Tensor, projection(x) if isinstance(projection, nn.Linear) else x @ projection)


def computed_again(function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """Call a function, store nothing but its inputs, and call it again when its gradient is needed."""
    outputs: Tensor = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return outputs
