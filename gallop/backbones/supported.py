"""What is read here, and how the rest is refused: the fast path would compute another text tower wrongly."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from gallop.errors import UnsupportedTower


def check_text_tower(module: nn.Module) -> None:
    """Raises UnsupportedTower unless the tower is CLIP's: causal, EOT pooling, pre-norm blocks of plain attention."""
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
