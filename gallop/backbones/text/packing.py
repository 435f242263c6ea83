"""Class names as tokens, packed into rows behind the prefix that all of them share: what the fast path reads.

Shapes: K classes, S prefix tokens, G rows of L tokens, E EOTs in a row.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import torch
from torch import Tensor

ROW = 32
"""Tokens that a row of packed names aims at: enough for the processor's kernels, short enough for attention."""


@dataclass(frozen=True, eq=False)
class NameTokens:
    """K class names as tokens; how they are arranged is their text tower's affair.

    Attributes:
        names: token ids of each name with its EOT.
        prefix: S, how many tokens come before every name.
    """

    names: Sequence[Sequence[int]]
    prefix: int

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class PackedNames(NameTokens):
    """K class names, packed into G rows of L behind a prefix of S tokens, which stands in the first row.

    Attributes:
        ids: token ids (G * L - S,) behind the prefix: names one after the other, then zeros that nothing reads.
        positions: the place of each of them in a prompt: from S in every name.
        visible: what each token may see: all of the prefix, and its own name up to itself. (1, L, L), or with more than
            one row (G, L, S + L), where rows begin with a copy of the prefix that is for all but the first.
        eot: (K,) where each name's EOT stands, as an index into all G * L tokens.
        slots: (G, E) the names whose EOTs stand in a row, filled up with others.
        order: (K,) where each name stands in ``slots``.
    """

    ids: Tensor
    positions: Tensor
    visible: Tensor
    eot: Tensor
    slots: Tensor
    order: Tensor
    _splits: dict[int, list[PackedNames]] = field(default_factory=dict, init=False, repr=False)

    @property
    def tokens(self) -> int:
        """G * L"""
        return self.prefix + len(self.ids)

    @property
    def visible_at_eot(self) -> Tensor:
        """What the EOTs in ``slots`` may see (G, E, L or S + L)."""
        return self.visible.flatten(0, 1)[self.eot[self.slots]]

    def split(self, parts: int) -> list[PackedNames]:
        """Return the names in about so many parts of about as many tokens, in order, each packed for itself."""
        if parts == 1:
            return [self]
        if parts not in self._splits:
            ends = list(accumulate(map(len, self.names)))
            cuts = {bisect_left(ends, ends[-1] * part / parts) for part in range(parts)}
            bounds = pairwise([*sorted(cuts), len(ends)])
            packed = [pack(self.names[start:stop], self.prefix, self.ids.device) for start, stop in bounds]
            self._splits[parts] = packed
        return self._splits[parts]


def pack(names: Sequence[Sequence[int]], prefix: int, device: torch.device) -> PackedNames:
    """Put token ids of names into rows: the longest first, each into the first row that has room for it."""
    total, longest = sum(map(len, names)), max(map(len, names))
    rows = math.ceil(total / max(longest, ROW))
    length = max(longest, math.ceil((prefix + total) / rows))
    by_length = sorted(range(len(names)), key=lambda i: -len(names[i]))
    while (places := _places([len(names[i]) for i in by_length], [prefix] + [0] * (rows - 1), length)) is None:
        length += 1
    ids, positions = torch.zeros(rows * length, dtype=torch.long), torch.full((rows * length,), prefix)
    owner = torch.full((rows * length,), -1)
    owner[:prefix] = -2
    eot = torch.zeros(len(names), dtype=torch.long)
    in_row: list[list[int]] = [[] for _ in range(rows)]
    for i, place in zip(by_length, places, strict=True):
        inside = slice(place, place + len(names[i]))
        ids[inside], owner[inside] = torch.tensor(names[i]), i
        positions[inside] += torch.arange(len(names[i]))
        eot[i] = inside.stop - 1
        in_row[place // length].append(i)
    owner = owner.view(rows, length)
    visible = (owner.unsqueeze(2) == owner.unsqueeze(1)) & torch.ones(length, length, dtype=torch.bool).tril()
    visible[0, prefix:, :prefix] = True
    if rows > 1:
        copies = torch.arange(rows).view(-1, 1, 1).expand(-1, length, prefix) > 0
        visible = torch.cat([copies, visible], dim=2)
    most = max(map(len, in_row))
    slots = torch.tensor([found + [0] * (most - len(found)) for found in in_row])
    order = torch.zeros(len(names), dtype=torch.long)
    for row, found in enumerate(in_row):
        order[found] = torch.arange(row * most, row * most + len(found))
    return PackedNames(
        names,
        prefix,
        ids=ids[prefix:].to(device),
        positions=positions[prefix:].to(device),
        visible=visible.to(device),
        eot=eot.to(device),
        slots=slots.to(device),
        order=order.to(device),
    )


def _places(lengths: Sequence[int], used: list[int], length: int) -> list[int] | None:
    """Where names of these lengths start in rows that are used so far; None if they do not fit."""
    used, places = list(used), []
    for size in lengths:
        row = next((row for row, taken in enumerate(used) if taken + size <= length), None)
        if row is None:
            return None
        places.append(row * length + used[row])
        used[row] += size
    return places
