"""All phrases the text encoder is taught, with the direction in the joint space that each should point at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import phrases
import torch
from targets import Regression, held_out_accuracy, pick_sense
from torch import Tensor
from torch.nn import functional as F
from wordnet import Synset, Word, describe, read_synsets, read_words, wider

__all__ = ["Group", "Vocabulary", "collect"]

_PHYSICAL = "n00001930"
"""WordNet's *physical entity*: what a photo can show lies below it."""
_SPANNED = 8
"""From so many classes below it, a wider term such as *bird* points mostly at their mean."""
_SPANNED_WEIGHT = 3.0

Embed = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Group:
    """Phrases of one kind, the row of the target table of each, and the fraction of every batch that they get."""

    names: list[str]
    rows: Tensor
    fraction: float


@dataclass(frozen=True)
class Vocabulary:
    """Groups of phrases over one table of unit targets (T, D); the classes are its first rows."""

    targets: Tensor
    groups: dict[str, Group]


class _Builder:
    """Collects phrases with their targets; a phrase that has one already keeps it."""

    def __init__(self, class_names: Sequence[str], directions: Tensor, fractions: dict[str, float]) -> None:
        self.row_of = {name.lower(): row for row, name in enumerate(class_names)}
        self._tables = [directions]
        self._size = len(directions)
        self._fractions = fractions
        self.groups = {"classes": Group(list(class_names), torch.arange(len(class_names)), fractions["classes"])}

    def add(self, kind: str, names: Sequence[str], targets: Tensor) -> None:
        """New phrases with a target each (n, D)."""
        new = [number for number, name in enumerate(names) if name not in self.row_of]
        self.point(kind, [names[number] for number in new], list(range(self._size, self._size + len(new))))
        self._tables.append(targets[new])
        self._size += len(new)

    def point(self, kind: str, names: Sequence[str], rows: Sequence[int]) -> None:
        """New phrases that share the targets of others."""
        new = {name: row for name, row in zip(names, rows, strict=True) if name not in self.row_of}
        self.row_of.update(new)
        self.groups[kind] = Group(list(new), torch.tensor(list(new.values())), self._fractions[kind])

    def targets(self, names: Sequence[str]) -> Tensor:
        """Targets (n, D) of phrases that are in."""
        return torch.cat(self._tables)[[self.row_of[name] for name in names]]

    def finish(self) -> Vocabulary:
        return Vocabulary(torch.cat(self._tables), self.groups)


def collect(
    wordnet: Path,
    class_names: list[str],
    leaves: list[str],
    directions: Tensor,
    embed: Embed,
    fractions: dict[str, float],
) -> Vocabulary:
    """The complete vocabulary.

    ``leaves`` are the WordNet ids of the classes; ``embed`` gives unit sentence embeddings (n, E); ``fractions``: how
    much of every batch each group gets.
    """
    synsets = read_synsets(wordnet, "noun")
    described = embed([describe(wnid, synsets) for wnid in synsets])
    position = {wnid: row for row, wnid in enumerate(synsets)}
    class_rows = [position[wnid] for wnid in leaves]
    names, first = embed(class_names), embed([synsets[wnid].names[0] for wnid in leaves])
    accuracy = held_out_accuracy(names, described[class_rows], directions)
    print(f"classes left out of the regression that it puts right among 200: {accuracy:.1%}", flush=True)
    regression = Regression([names, described[class_rows], first], directions)

    builder = _Builder(class_names, directions, fractions)
    words = read_words(wordnet, "noun")
    nouns = _Nouns(synsets, words, described, leaves, directions)
    senses = _add_nouns(builder, nouns, embed, regression)
    for part in ("adj", "verb"):
        _add_words(builder, part, wordnet, embed, regression)
    _add_phrases(builder, _common_nouns(words, senses, synsets), wordnet, embed, regression)
    known = [name for kind in ("classes", "synonyms", "common") for name in builder.groups[kind].names]
    builder.point(
        "plurals", [phrases.plural(name.lower()) for name in known], [builder.row_of[n.lower()] for n in known]
    )
    return builder.finish()


@dataclass(frozen=True)
class _Nouns:
    """WordNet's nouns: meanings in order with their embeddings (n, E), words, and the classes among the meanings."""

    synsets: dict[str, Synset]
    words: dict[str, Word]
    described: Tensor
    leaves: list[str]
    directions: Tensor

    def spans(self) -> dict[str, Tensor]:
        """Mean direction (D) of the classes below each term that has many."""
        below: dict[str, list[int]] = {}
        for row, leaf in enumerate(self.leaves):
            for wnid in wider(leaf, self.synsets):
                below.setdefault(wnid, []).append(row)
        return {
            wnid: F.normalize(self.directions[rows].mean(dim=0), dim=0)
            for wnid, rows in below.items()
            if len(rows) >= _SPANNED
        }


def _add_nouns(builder: _Builder, nouns: _Nouns, embed: Embed, regression: Regression) -> dict[str, str]:
    """Every noun of WordNet; returns the meaning taken for each.

    A noun whose meaning is a class points at the class; any other at the regression of its name and its description,
    and most of all at the mean of the classes below it where they are many.
    """
    names = list(nouns.words)
    bare = embed(names)
    position = {wnid: row for row, wnid in enumerate(nouns.synsets)}
    senses = {}
    for name, embedding in zip(names, bare, strict=True):
        wnids = nouns.words[name].senses
        senses[name] = wnids[pick_sense(embedding, nouns.described[[position[wnid] for wnid in wnids]])]
    leaf = {wnid: row for row, wnid in enumerate(nouns.leaves)}
    synonyms = {name: leaf[wnid] for name, wnid in senses.items() if wnid in leaf}
    builder.point("synonyms", list(synonyms), list(synonyms.values()))

    meant = nouns.described[[position[senses[name]] for name in names]]
    targets = F.normalize(regression(bare) + regression(meant), dim=1)
    spans = nouns.spans()
    for number, name in enumerate(names):
        if senses[name] in spans:
            targets[number] = F.normalize(targets[number] + _SPANNED_WEIGHT * spans[senses[name]], dim=0)
    common = torch.tensor([nouns.words[name].tagged > 0 for name in names])
    for kind, chosen in (("common", common), ("nouns", ~common)):
        numbers = chosen.nonzero().flatten()
        builder.add(kind, [names[number] for number in numbers.tolist()], targets[numbers])
    return senses


def _add_words(builder: _Builder, part: str, wordnet: Path, embed: Embed, regression: Regression) -> None:
    """Adjectives or verbs, as nouns are added."""
    synsets = read_synsets(wordnet, part)
    described = embed([describe(wnid, synsets) for wnid in synsets])
    position = {wnid: row for row, wnid in enumerate(synsets)}
    words = read_words(wordnet, part)
    bare = embed(list(words))
    meant = []
    for word, row in zip(words.values(), bare, strict=True):
        rows = [position[wnid] for wnid in word.senses]
        meant.append(rows[pick_sense(row, described[rows])])
    builder.add(part, list(words), F.normalize(regression(bare) + regression(described[meant]), dim=1))


def _common_nouns(words: dict[str, Word], senses: dict[str, str], synsets: dict[str, Synset]) -> list[str]:
    """Nouns that are used and name what can be seen."""
    return [name for name, word in words.items() if word.tagged > 0 and _PHYSICAL in wider(senses[name], synsets)]


def _add_phrases(
    builder: _Builder, nouns: list[str], wordnet: Path, embed: Embed, regression: Regression, seed: int = 0
) -> None:
    """Phrases of several words. An attribute leaves the noun's target half of the weight."""
    attributed = phrases.attributed(nouns, 60_000, seed)
    texts = [text for text, _ in attributed]
    heads = builder.targets([noun for _, noun in attributed])
    builder.add("attributed", texts, F.normalize(regression(embed(texts)) + heads, dim=1))
    verbs = [name for name, word in read_words(wordnet, "verb").items() if word.tagged > 0 and " " not in name]
    others = {
        "attributes": phrases.attributes(),
        "pairs": phrases.pairs(nouns, 40_000, seed),
        "scenes": phrases.scenes(nouns, 30_000, seed),
        "deeds": phrases.deeds(verbs, nouns, 30_000, seed),
    }
    for kind, texts in others.items():
        builder.add(kind, texts, regression(embed(texts)))
