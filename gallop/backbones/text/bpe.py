"""CLIP's tokens without open_clip: byte pair encoding by the table of merges that lies in open_clip's package.

A text is repaired (ftfy) and written small, cut into words, and each word's bytes are joined pair by pair, the pair
that stands first in the table first. A token that ends a word has ``</w>`` behind it.
"""

from __future__ import annotations

import gzip
import html
import importlib.util
from functools import cache
from itertools import pairwise
from pathlib import Path

import ftfy
import regex

from gallop.backbones.text.tokens import TokenRule
from gallop.errors import BackboneError

_MERGES = 49152 - 256 - 2
_END = "</w>"
_START_OF_TEXT, _END_OF_TEXT = "<start_of_text>", "<end_of_text>"
_WORD = regex.compile(
    rf"{_START_OF_TEXT}|{_END_OF_TEXT}|'s|'t|'re|'ve|'m|'ll|'d|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",
    regex.IGNORECASE,
)


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
    """Return the pairs that are joined, the first ones first.

    Raises:
        BackboneError: open_clip's package, in which they lie, is not installed whole.
    """
    found = importlib.util.find_spec("open_clip")  # which does not load it
    places = [] if found is None else found.submodule_search_locations or []
    for place in places:
        path = Path(place, "bpe_simple_vocab_16e6.txt.gz")
        if path.is_file():
            lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
            pairs = (line.split() for line in lines[1 : _MERGES + 1])
            return [(left, right) for left, right in pairs]
    raise BackboneError("CLIP's table of tokens lies in the package open_clip_torch, which is not installed whole.")
