"""Contexts (P, C, T) and class names -> text features (K, P, D), through a frozen text encoder.

Every prompt is what the tokenizer puts before a text (CLIP: [SOS]), then the context, the name's tokens, what it puts
behind (CLIP: [EOT]), and padding (paper, section 2). Where the feature is read depends on the encoder.

* Causal and read at EOT, as CLIP: ``causal`` computes the same numbers from what is needed alone.
* All others (MobileCLIP, SigLIP, CLIPA, CoCa): ``plain`` runs the encoder as it is, padding included, since each token
  may see every other and the feature may be read behind them all.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from gallop.backbones.text.causal import CausalTextEncoder
from gallop.backbones.text.encoder import NameTokens, TextEncoder, memory_budget
from gallop.backbones.text.plain import PlainTextEncoder
from gallop.backbones.text.tokenizers import token_rule
from gallop.errors import UnsupportedBackbone

__all__ = ["NameTokens", "TextEncoder", "memory_budget", "text_encoder"]


def text_encoder(module: Any, tokenizer: Any) -> TextEncoder:
    """Return what runs an open_clip text module: the fast path, which fits CLIP's alone, or the plain one.

    Raises:
        UnsupportedBackbone: another kind of encoder, such as Hugging Face's, or a tokenizer that is not read here.
    """
    if not all(
        hasattr(module, name) for name in ("transformer", "token_embedding", "positional_embedding", "ln_final")
    ):
        raise UnsupportedBackbone(
            f"This text encoder is not supported: it is a {type(module).__name__}, and prompts can only be learned "
            "with open_clip's text transformers."
        )
    # Where the feature is read, in open_clip's words; a class embedding comes last.
    pool = str(getattr(module, "text_pool_type", getattr(module, "pool_type", None)))
    if getattr(module, "cls_emb", None) is not None:
        pool = "last"
    if pool not in ("argmax", "eos", "last", "first"):
        raise UnsupportedBackbone(
            f"This text encoder is not supported: its pooling, {pool!r}, does not give one feature per text."
        )
    rule = token_rule(tokenizer)
    single = len(rule.before) == len(rule.after) == 1
    plain_blocks = all(
        isinstance(getattr(block, "attn", None), nn.MultiheadAttention) and hasattr(block, "ls_1")
        for block in module.transformer.resblocks
    )
    fast = single and plain_blocks and pool in ("argmax", "eos") and getattr(module, "attn_mask", None) is not None
    return CausalTextEncoder(module, tokenizer) if fast else PlainTextEncoder(module, tokenizer, pool)
