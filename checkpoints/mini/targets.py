"""What each word should point at in the joint space: names of classes, of wider kinds, and of everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from wordnet import Synset, leaves_below

__all__ = ["Group", "Vocabulary", "collect", "held_out_accuracy", "ridge"]

_SHARPNESS = 4.0
_RIDGE = 0.05


@dataclass(frozen=True)
class Group:
    """Words of one kind and the row of the target table that each belongs to."""

    names: list[str]
    rows: Tensor


@dataclass(frozen=True)
class Vocabulary:
    """All words in four groups, over one table of unit-norm targets (the classes are its first rows)."""

    targets: Tensor
    classes: Group
    synonyms: Group
    inner: Group
    others: Group


def collect(
    class_names: list[str],
    leaves: list[str],
    directions: Tensor,
    embeddings: Tensor,
    synsets: dict[str, Synset],
    senses: dict[str, tuple[str, ...]],
) -> Vocabulary:
    """Every noun once, with the target of the meaning that a photo most likely shows.

    A class's own name goes before everything. Any other noun takes its most frequent meaning if that is a class or lies
    above one; else its first meaning that is a class, then one above a class; else its most frequent meaning, whose
    direction is regressed. ``embeddings`` has one row a synset, in the order of ``synsets``.
    """
    position = {wnid: row for row, wnid in enumerate(synsets)}
    below = leaves_below(leaves, synsets)
    leaf = {wnid: row for row, wnid in enumerate(leaves)}
    target_of = ridge(embeddings[[position[wnid] for wnid in leaves]], directions)(embeddings)
    for wnid, rows in below.items():
        target_of[position[wnid]] = directions[rows].mean(dim=0)
    targets = torch.cat([directions, F.normalize(target_of, dim=1)])

    taken = {name.lower() for name in class_names}
    kinds: dict[str, dict[str, int]] = {"synonyms": {}, "inner": {}, "others": {}}
    for name, wnids in senses.items():
        if name in taken:
            continue
        wnid = _meaning(wnids, leaf, below)
        kind = "synonyms" if wnid in leaf else "inner" if wnid in below else "others"
        kinds[kind][name] = leaf[wnid] if wnid in leaf else len(leaves) + position[wnid]
    groups = {kind: Group(list(rows), torch.tensor(list(rows.values()))) for kind, rows in kinds.items()}
    return Vocabulary(targets, Group(class_names, torch.arange(len(class_names))), **groups)


def _meaning(wnids: tuple[str, ...], leaf: dict[str, int], below: dict[str, list[int]]) -> str:
    if wnids[0] in leaf or wnids[0] in below:
        return wnids[0]
    seen = [wnid for wnid in wnids if wnid in leaf] + [wnid for wnid in wnids if wnid in below]
    return seen[0] if seen else wnids[0]


def ridge(known: Tensor, values: Tensor) -> Callable[[Tensor], Tensor]:
    """Kernel ridge regression from unit-norm sentence embeddings, kernel exp(4 (cos - 1)); returns the predictor."""

    def kernel(left: Tensor, right: Tensor) -> Tensor:
        return torch.exp(_SHARPNESS * (left @ right.T - 1))

    eye = torch.eye(len(known), dtype=torch.float64)
    weights = torch.linalg.solve(kernel(known, known).double() + _RIDGE * eye, values.double()).float()
    return lambda rows: torch.cat([kernel(part, known) @ weights for part in rows.split(4096)])


def held_out_accuracy(embeddings: Tensor, directions: Tensor, folds: int = 5, seed: int = 0) -> float:
    """Share of classes that the regression, fitted without them, puts nearest to themselves among those left out.

    ``embeddings`` has one row a class here. Every class is left out once, a fifth at a time.
    """
    order = torch.randperm(len(directions), generator=torch.Generator().manual_seed(seed))
    hits = 0
    for part in order.chunk(folds):
        rest = torch.ones(len(directions), dtype=torch.bool)
        rest[part] = False
        guess = F.normalize(ridge(embeddings[rest], directions[rest])(embeddings[part]), dim=1)
        hits += int(((guess @ directions[part].T).argmax(dim=1) == torch.arange(len(part))).sum())
    return hits / len(directions)
