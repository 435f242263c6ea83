"""Which path reads a text module: the fast one would compute another tower than CLIP's wrongly."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from gallop.backbones.text.causal import CausalTextTower
from gallop.backbones.text.plain import PlainTextTower
from gallop.backbones.text.tokens import token_rule
from gallop.backbones.text.tower import TextTower
from gallop.errors import UnsupportedTower


def text_tower(module: nn.Module, tokenizer: Any) -> TextTower:
    """Return the path through an open_clip text module: the fast one where the tower is CLIP's, the plain one else.

    Raises:
        UnsupportedTower: another kind of tower, such as Hugging Face's, or a tokenizer that is not read here.
    """
    for attribute in ("transformer", "token_embedding", "positional_embedding", "ln_final"):
        if not hasattr(module, attribute):
            raise UnsupportedTower(
                f"This text tower is a {type(module).__name__}; learned contexts are put into open_clip's own text "
                "transformers here."
            )
    pool = pooling(module)
    if pool not in ("argmax", "eos", "last", "first"):
        raise UnsupportedTower(f"This text tower pools by {pool!r}, so a text has no single feature.")
    rule = token_rule(tokenizer)
    single = len(rule.before) == len(rule.after) == 1
    fast = single and pool in ("argmax", "eos") and _is_clip(module)
    return CausalTextTower(module, tokenizer) if fast else PlainTextTower(module, tokenizer, pool)


def pooling(module: nn.Module) -> str:
    """Return where a text module reads its feature, in open_clip's words; a class embedding stands last."""
    if getattr(module, "cls_emb", None) is not None:
        return "last"
    return str(getattr(module, "text_pool_type", getattr(module, "pool_type", None)))


def _is_clip(module: nn.Module) -> bool:
    """Whether it is causal and built of pre-norm blocks of plain attention."""
    blocks = cast(Any, module).transformer.resblocks
    plain = all(isinstance(getattr(b, "attn", None), nn.MultiheadAttention) and hasattr(b, "ls_1") for b in blocks)
    return plain and getattr(module, "attn_mask", None) is not None
