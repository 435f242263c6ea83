"""How a tokenizer writes a text: what stands before and behind its tokens, and what fills the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gallop.errors import UnsupportedTower


@dataclass(frozen=True)
class TokenRule:
    """What surrounds a text's own tokens.

    Attributes:
        before: token ids before a text, CLIP's [SOS]; some tokenizers have none.
        after: token ids behind it, CLIP's [EOT].
        pad: the token id that fills the rest of the tower's length.
        special: token ids that no text may hold.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    special: frozenset[int]


def token_rule(tokenizer: Any) -> TokenRule:
    """Return the rule of a tokenizer of open_clip's, or of one that says it itself as ``rule``.

    Raises:
        UnsupportedTower: another kind of tokenizer.
    """
    if isinstance(rule := getattr(tokenizer, "rule", None), TokenRule):
        return rule
    if not hasattr(tokenizer, "sot_token_id"):
        raise UnsupportedTower(
            f"Text is read here with CLIP's own BPE or a tokenizer of the Hub; this is a {type(tokenizer).__name__}."
        )
    special = frozenset(tokenizer.all_special_ids)
    return TokenRule((tokenizer.sot_token_id,), (tokenizer.eot_token_id,), 0, special)
