"""Text to token ids: CLIP's own byte pair encoding, and tokenizers of Hugging Face's (SigLIP, CLIPA, many languages).

CLIP's tokens are made here without open_clip, which takes seconds to load, by the table of merges in its package. A
text is repaired (ftfy) and lowercased, cut into words, and each word's bytes are joined pair by pair, the pair that
comes first in the table first. A token that ends a word has ``</w>`` behind it.
"""

from __future__ import annotations

import gzip
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import ftfy
import regex

from gallop.errors import BackboneError, UnsupportedBackbone, first_line
from gallop.runtime.reading import check_file

_MERGES = 49152 - 256 - 2
_END = "</w>"
_START_OF_TEXT, _END_OF_TEXT = "<start_of_text>", "<end_of_text>"
_WORD = regex.compile(
    rf"{_START_OF_TEXT}|{_END_OF_TEXT}|'s|'t|'re|'ve|'m|'ll|'d|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",
    regex.IGNORECASE,
)

FILES = ("tokenizer.json", "tokenizer_config.json")
"""What a tokenizer is kept in; with both in the folder of the weights, the Hub is not asked."""
_LARGEST = 2**28


@dataclass(frozen=True)
class TokenRule:
    """What surrounds a text's own tokens.

    Attributes:
        before: token ids before a text, CLIP's [SOS]; some tokenizers have none.
        after: token ids behind it, CLIP's [EOT].
        pad: the token id that fills the rest of the encoder's length.
        special: token ids that no text may hold.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    special: frozenset[int]


def token_rule(tokenizer: Any) -> TokenRule:
    """Return the rule of a tokenizer of open_clip's, or of one that says it itself as ``rule``.

    Raises:
        UnsupportedBackbone: another kind of tokenizer.
    """
    if isinstance(rule := getattr(tokenizer, "rule", None), TokenRule):
        return rule
    if not hasattr(tokenizer, "sot_token_id"):
        raise UnsupportedBackbone(
            f"Text is read here with CLIP's own BPE or a tokenizer of the Hub; this is a {type(tokenizer).__name__}."
        )
    special = frozenset(tokenizer.all_special_ids)
    return TokenRule((tokenizer.sot_token_id,), (tokenizer.eot_token_id,), 0, special)


class ClipTokens:
    """Text to CLIP's token ids and back; the same ids as open_clip's ``SimpleTokenizer``."""

    def __init__(self) -> None:
        letters = _letters()
        merges = clip_merges()
        tokens = [*letters.values(), *(letter + _END for letter in letters.values()), *map("".join, merges)]
        tokens += [_START_OF_TEXT, _END_OF_TEXT]
        self._letters = letters
        self._bytes = {letter: byte for byte, letter in letters.items()}
        self._ids = {token: i for i, token in enumerate(tokens)}
        self._tokens = tokens
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._known: dict[str, tuple[str, ...]] = {token: (token,) for token in (_START_OF_TEXT, _END_OF_TEXT)}
        self.sot_token_id, self.eot_token_id = len(tokens) - 2, len(tokens) - 1
        special = frozenset((self.sot_token_id, self.eot_token_id))
        self.rule = TokenRule((self.sot_token_id,), (self.eot_token_id,), 0, special)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without those that surround it."""
        repaired = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
        words = _WORD.findall(" ".join(repaired.split()).lower())
        return [self._ids[token] for word in words for token in self._joined(word)]

    def decode(self, tokens: list[int]) -> str:
        """Return the text of token ids, a space where a word ends."""
        text = "".join(self._tokens[i] for i in tokens)
        return bytearray(self._bytes[letter] for letter in text).decode("utf-8", "replace").replace(_END, " ")

    def _joined(self, word: str) -> tuple[str, ...]:
        letters = "".join(self._letters[byte] for byte in word.encode("utf-8"))
        if letters not in self._known:
            self._known[letters] = self._merged((*letters[:-1], letters[-1] + _END))
        return self._known[letters]

    def _merged(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The parts of a word, joined as long as a pair of neighbours is in the table."""
        while len(parts) > 1:
            first = min(pairwise(parts), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if first not in self._ranks:
                break
            joined: list[str] = []
            for part in parts:
                # What was joined just now is longer than a pair's first part, so it is not joined again.
                if joined and (joined[-1], part) == first:
                    joined[-1] += part
                else:
                    joined.append(part)
            parts = tuple(joined)
        return parts


@cache
def _letters() -> dict[int, str]:
    """A letter that shows for each byte: its own where that shows, one beyond Latin-1 otherwise."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}


@cache
def clip_merges() -> list[tuple[str, str]]:
    """Return the pairs that are joined, the first ones first, from the table in open_clip's package."""
    package: Any = find_spec("open_clip")  # which does not load it
    table = Path(package.submodule_search_locations[0], "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    lines = gzip.decompress(table).decode("utf-8").split("\n")[1 : _MERGES + 1]
    return [(left, right) for left, right in map(str.split, lines)]


class HubTokenizer:
    """A tokenizer of ``transformers`` in open_clip's wrapper, with the methods of CLIP's.

    Attributes:
        rule: what it puts around a text.
    """

    def __init__(self, wrapped: Any) -> None:
        self._wrapped, self._inner = wrapped, wrapped.tokenizer
        self.rule = self._find_rule()
        # Whether it marks the beginning of a word, as SentencePiece does, or its continuation, as BERT's.
        self._marks_begin = "▁" in str(self._inner.convert_ids_to_tokens(self.encode("a"))[0])

    def _find_rule(self) -> TokenRule:
        """Compare a text with and without its special tokens: no setting of a tokenizer gives them for all kinds."""
        bare = self.encode("a")
        framed: list[int] = self._inner("a").input_ids
        start = next(i for i in range(len(framed)) if framed[i : i + len(bare)] == bare)
        after = framed[start + len(bare) :]
        if self._wrapped.strip_sep_token:  # CLIPA was trained with zeros in the place of BERT's [SEP]
            after = [0 if i == self._inner.sep_token_id else i for i in after]
        special = frozenset(self._inner.all_special_ids) - {self._inner.unk_token_id}
        return TokenRule(tuple(framed[:start]), tuple(after), self._inner.pad_token_id, special)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without what stands around it."""
        ids: list[int] = self._inner(self._wrapped.clean_fn(text), add_special_tokens=False).input_ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return token ids as text; a token that begins a word ends with a space, since it may be one."""
        return "".join(self._shown(token) for token in self._inner.convert_ids_to_tokens(list(ids)))

    def _shown(self, token: str | None) -> str:
        if token is None:  # some encoders have room for more tokens than there are
            return ""
        pieces = str(token)
        if pieces.startswith("##"):
            return pieces[2:]
        begins = pieces.startswith("▁") or not self._marks_begin
        return f"{pieces.replace('▁', '')} " if begins else pieces


def hub_tokenizer(name: str, settings: Mapping[str, Any], folder: Path, *, download: bool) -> HubTokenizer:
    """Return the tokenizer that open_clip's settings of a text encoder name.

    Args:
        name: of the backbone, for sentences.
        settings: of its text encoder.
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
