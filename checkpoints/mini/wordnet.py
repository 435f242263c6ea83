"""The nouns of WordNet 3.0, read from its database files.

The format is described in wndb(5WN), which comes with the files: https://wordnet.princeton.edu/documentation/wndb5wn
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Synset", "describe", "hypernym_chain", "leaves_below", "read_senses", "read_synsets"]

_HYPERNYM = ("@", "@i")
"""Pointers to a wider term: of a kind, and of an instance."""


@dataclass(frozen=True)
class Synset:
    """One meaning: its synonyms, the wider terms (by id) and the definition without its examples."""

    wnid: str
    names: tuple[str, ...]
    parents: tuple[str, ...]
    gloss: str


def read_synsets(folder: Path) -> dict[str, Synset]:
    """All noun synsets by id; ids are written as ImageNet does, ``n`` and eight digits."""
    found = {}
    for line in _lines(folder / "data.noun"):
        record, _, gloss = line.partition("|")
        fields = record.split()
        count = int(fields[3], 16)
        names = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
        # After the words: the number of pointers, then four fields each: symbol, offset, part of speech, source/target.
        pointers = fields[5 + 2 * count :]
        parents = tuple(
            f"n{offset}" for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False) if symbol in _HYPERNYM
        )
        definition = gloss.split('; "')[0].strip()
        found[f"n{fields[0]}"] = Synset(f"n{fields[0]}", names, parents, definition)
    return found


def read_senses(folder: Path) -> dict[str, tuple[str, ...]]:
    """Every noun, in lower case, with the ids of its meanings, the most frequent first."""
    senses = {}
    for line in _lines(folder / "index.noun"):
        fields = line.split()
        count = int(fields[2])
        senses[fields[0].replace("_", " ")] = tuple(f"n{offset}" for offset in fields[-count:])
    return senses


def hypernym_chain(wnid: str, synsets: dict[str, Synset], depth: int = 6) -> list[str]:
    """First names of the next wider terms, nearest first (along the first parent where there are several)."""
    chain: list[str] = []
    while synsets[wnid].parents and len(chain) < depth:
        wnid = synsets[wnid].parents[0]
        chain.append(synsets[wnid].names[0])
    return chain


def describe(wnid: str, synsets: dict[str, Synset]) -> str:
    """The sentence that stands for a meaning: synonyms, definition, wider terms."""
    synset = synsets[wnid]
    chain = hypernym_chain(wnid, synsets)
    kinds = f"; a kind of {', '.join(chain)}" if chain else ""
    return f"{', '.join(synset.names)}: {synset.gloss}{kinds}"


def leaves_below(leaves: list[str], synsets: dict[str, Synset]) -> dict[str, list[int]]:
    """For every synset strictly above a leaf, the numbers of the leaves below it, each once."""
    below: dict[str, list[int]] = {}
    for number, leaf in enumerate(leaves):
        seen: set[str] = set()
        queue = list(synsets[leaf].parents)
        while queue:
            wnid = queue.pop()
            if wnid not in seen:
                seen.add(wnid)
                queue.extend(synsets[wnid].parents)
                below.setdefault(wnid, []).append(number)
    return below


def _lines(path: Path) -> list[str]:
    # The licence stands at the top of every file, on lines that begin with two spaces.
    return [line for line in path.read_text(encoding="ascii").splitlines() if not line.startswith("  ")]
