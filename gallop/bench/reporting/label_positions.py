"""Where names stand beside the points of a chart, so that none covers another."""

from __future__ import annotations

import math
from collections.abc import Sequence


def spread_out(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions moved as little as it goes so that neighbours are ``gap`` apart, within [low, high] if they fit.

    >>> spread_out([1.0, 1.0, 5.0], 1.0, 0.0, 10.0)
    [0.5, 1.5, 5.0]
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[tuple[list[int], float]] = []  # neighbours that touch, and the middle of each
    for i in order:
        members, middle = [i], positions[i]
        while True:
            half = gap * (len(members) - 1) / 2
            middle = min(max(middle, low + half), max(high - half, low + half))
            if not blocks or middle - half - (blocks[-1][1] + gap * (len(blocks[-1][0]) - 1) / 2) >= gap - 1e-9:
                break
            before, _ = blocks.pop()
            members = before + members
            # The least squares: the mean of where each would have the block's middle.
            offsets = [gap * (k - (len(members) - 1) / 2) for k in range(len(members))]
            middle = math.fsum(positions[m] - o for m, o in zip(members, offsets, strict=True)) / len(members)
        blocks.append((members, middle))
    moved = [0.0] * len(positions)
    for members, middle in blocks:
        for k, i in enumerate(members):
            moved[i] = middle + gap * (k - (len(members) - 1) / 2)
    return moved
