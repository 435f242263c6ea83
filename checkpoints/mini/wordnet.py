"""WordNet 3.0, read from its database files: nouns with their wider terms, and adjectives and verbs.

The format is described in wndb(5WN), which comes with the files: https://wordnet.princeton.edu/documentation/wndb5wn
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Synset", "Word", "describe", "read_synsets", "read_words", "wider"]

_LETTER = {"noun": "n", "verb": "v", "adj": "a"}
_HYPERNYM = ("@", "@i")
"""Pointers to a wider term: of a kind, and of an instance."""


@dataclass(frozen=True)
class Synset:
    """One meaning: its synonyms, the wider terms (by id) and the definition without its examples."""

    wnid: str
    names: tuple[str, ...]
    parents: tuple[str, ...]
    gloss: str


@dataclass(frozen=True)
class Word:
    """The meanings of one word by id, the most frequent first, and how many of them occur in WordNet's corpus."""

    senses: tuple[str, ...]
    tagged: int


def read_synsets(folder: Path, part: str) -> dict[str, Synset]:
    """All synsets of a part of speech (``noun``, ``verb``, ``adj``) by id, a letter and eight digits as in ImageNet."""
    letter = _LETTER[part]
    synsets = {}
    for line in _lines(folder / f"data.{part}"):
        record, _, gloss = line.partition("|")
        fields = record.split()
        count = int(fields[3], 16)
        # Some adjectives carry their place in the sentence, as in "galore(ip)".
        names = tuple(word.replace("_", " ").partition("(")[0] for word in fields[4 : 4 + 2 * count : 2])
        # After the words: the number of pointers, then four fields each: symbol, offset, part of speech, source/target.
        pointers = fields[5 + 2 * count :]
        parents = tuple(
            f"{letter}{offset}"
            for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False)
            if symbol in _HYPERNYM
        )
        definition = gloss.split('; "')[0].strip()
        synsets[f"{letter}{fields[0]}"] = Synset(f"{letter}{fields[0]}", names, parents, definition)
    return synsets


def read_words(folder: Path, part: str) -> dict[str, Word]:
    """Every word of a part of speech, in lower case."""
    words = {}
    for line in _lines(folder / f"index.{part}"):
        fields = line.split()
        count = int(fields[2])
        senses = tuple(f"{_LETTER[part]}{offset}" for offset in fields[-count:])
        words[fields[0].replace("_", " ")] = Word(senses, int(fields[-count - 1]))
    return words


def describe(wnid: str, synsets: dict[str, Synset]) -> str:
    """The sentence that describes a meaning: synonyms, definition, wider terms."""
    synset = synsets[wnid]
    chain = _hypernym_chain(wnid, synsets)
    kinds = f"; a kind of {', '.join(chain)}" if chain else ""
    return f"{', '.join(synset.names)}: {synset.gloss}{kinds}"


def wider(wnid: str, synsets: dict[str, Synset]) -> set[str]:
    """Ids of all terms above a meaning."""
    ids: set[str] = set()
    queue = list(synsets[wnid].parents)
    while queue:
        above = queue.pop()
        if above not in ids:
            ids.add(above)
            queue.extend(synsets[above].parents)
    return ids


def _hypernym_chain(wnid: str, synsets: dict[str, Synset], depth: int = 6) -> list[str]:
    """First names of the next wider terms, nearest first (along the first parent where there are several)."""
    chain: list[str] = []
    while synsets[wnid].parents and len(chain) < depth:
        wnid = synsets[wnid].parents[0]
        chain.append(synsets[wnid].names[0])
    return chain


def _lines(path: Path) -> list[str]:
    # The licence is at the top of every file, on lines that begin with two spaces.
    return [line for line in path.read_text(encoding="ascii").splitlines() if not line.startswith("  ")]
