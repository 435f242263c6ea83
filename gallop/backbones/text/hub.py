"""Tokenizers of Hugging Face's: SigLIP's, CLIPA's and those of many languages, with the face of CLIP's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gallop.backbones.text.tokens import TokenRule
from gallop.errors import BackboneError, first_line
from gallop.runtime.reading import check_file

FILES = ("tokenizer.json", "tokenizer_config.json")
"""What a tokenizer is kept in; with both in the folder of the weights, the Hub is not asked."""
_LARGEST = 2**28


class HubTokenizer:
    """open_clip's wrapper of one of ``transformers``' tokenizers, asked for the tokens of a text alone as well.

    Attributes:
        rule: what it puts around a text.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped, self._inner = wrapped, wrapped.tokenizer
        self.rule: TokenRule = self._found_rule()
        # Whether it marks the beginning of a word, as SentencePiece does, or its continuation, as BERT's.
        self._marks_begin = "▁" in str(self._inner.convert_ids_to_tokens(self.encode("a"))[0])

    def _found_rule(self) -> TokenRule:
        """By a text with and without what stands around it: no setting of a tokenizer tells it for all kinds."""
        bare = self.encode("a")
        whole: list[int] = self._inner("a").input_ids
        start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        after = whole[start + len(bare) :]
        if self._wrapped.strip_sep_token:  # CLIPA was trained with zeros in the place of BERT's [SEP]
            after = [0 if i == self._inner.sep_token_id else i for i in after]
        special = frozenset(self._inner.all_special_ids) - {self._inner.unk_token_id}
        return TokenRule(tuple(whole[:start]), tuple(after), self._inner.pad_token_id, special)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without what stands around it."""
        ids: list[int] = self._inner(self._wrapped.clean_fn(text), add_special_tokens=False).input_ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return token ids as text; a token that begins a word ends with a space, since it may be one."""
        return "".join(self._shown(token) for token in self._inner.convert_ids_to_tokens(list(ids)))

    def _shown(self, token: str | None) -> str:
        if token is None:  # some towers have room for more tokens than there are
            return ""
        pieces = str(token)
        if pieces.startswith("##"):
            return pieces[2:]
        begins = pieces.startswith("▁") or not self._marks_begin
        return f"{pieces.replace('▁', '')} " if begins else pieces

    def __call__(self, texts: str | list[str], context_length: int | None = None) -> Tensor:
        """Return token ids (K, L) as open_clip's wrapper gives them."""
        return torch.as_tensor(self._wrapped(texts, context_length))


def check_installed(name: str) -> None:
    """Make sure of the package that reads such tokenizers.

    Raises:
        BackboneError: it is not installed.
    """
    if find_spec("transformers") is None:
        raise BackboneError(
            f"{name} reads text with a tokenizer of Hugging Face's, for which the package transformers is needed. "
            "Install it: pip install 'gallop-explorer[tokenizers]'."
        )


def hub_tokenizer(name: str, settings: Mapping[str, Any], folder: Path, *, download: bool) -> HubTokenizer:
    """Return the tokenizer that open_clip's settings of a text tower name.

    Args:
        name: of the backbone, for sentences.
        settings: of its text tower.
        folder: of its weights, where the tokenizer may lie too.
        download: whether the Hub may be asked for one that is not on this machine.

    Raises:
        BackboneError: there is no such tokenizer here.
    """
    from open_clip.tokenizer import HFTokenizer

    source = str(settings["hf_tokenizer_name"])
    beside = all((folder / file).is_file() for file in FILES)
    if beside:
        for file in FILES:
            check_file(folder / file, _LARGEST)
    more: dict[str, Any] = {} if download and not beside else {"local_files_only": True}
    if settings.get("tokenizer_mode"):
        more["tokenizer_mode"] = settings["tokenizer_mode"]
    try:
        wrapped = HFTokenizer(
            str(folder) if beside else source,
            context_length=settings.get("context_length"),
            **settings.get("tokenizer_kwargs", {}),
            **more,
        )
        return HubTokenizer(wrapped)
    except Exception as error:  # the hub's, those of transformers and of what it reads with
        raise BackboneError(
            f"The tokenizer of {name} ({source}) is not on this machine and could not be had ({first_line(error)}). "
            f"Fetch {' and '.join(FILES)} of https://huggingface.co/{source} on a machine with a network, and put them "
            "into the folder of the weights."
        ) from error
