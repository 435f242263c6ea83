"""A proportion of right answers with its interval, and a comparison of two models on the same photos.

Imports no torch, and SciPy only where a figure needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

LEVEL = 0.95
"""Of all intervals."""


@dataclass(frozen=True)
class Proportion:
    """``right`` of ``of`` photos, and Wilson's 95% interval of the proportion that they estimate (Wilson 1927).

    Wilson's, because it keeps its level with few photos and does not shrink to a point when all or none are right.
    """

    right: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.of or self.of == 0:
            raise ValueError(
                "A proportion needs at least one photo, and the number of right answers must be between 0 and the "
                f"number of photos; got {self.right} of {self.of}."
            )

    @property
    def value(self) -> float:
        """Return the proportion, in [0, 1]."""
        return self.right / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Return (low, high), in [0, 1]."""
        from scipy.stats import binomtest

        bounds = binomtest(self.right, self.of).proportion_ci(LEVEL, method="wilson")
        return float(bounds.low), float(bounds.high)


@dataclass(frozen=True)
class Paired:
    """Two models on the same photos: how many the first alone has right, and how many the second alone.

    Attributes:
        both, neither: photos that both have right, and that neither has; ``difference`` and ``interval`` count them.
    """

    only_first: int
    only_second: int
    both: int = 0
    neither: int = 0

    @property
    def p(self) -> float:
        """How often a split this uneven, or more so, would occur if both were equally good (McNemar's exact test)."""
        from scipy.stats import binomtest

        differ = self.only_first + self.only_second
        return float(binomtest(self.only_first, differ).pvalue) if differ else 1.0

    @property
    def difference(self) -> float:
        """Return by how much more of the photos the first model has right, in [-1, 1]."""
        return (self.only_first - self.only_second) / (self.only_first + self.only_second + self.both + self.neither)

    @property
    def interval(self) -> tuple[float, float]:
        """Return (low, high), the 95% interval of ``difference``: Newcombe's of paired proportions (1998, method 10).

        Of Wilson's intervals, so it does not shrink to a point where the models answer alike. It may hold 0 where ``p``
        is just below 5 %, and the reverse.
        """
        a, b, c, d = self.both, self.only_first, self.only_second, self.neither
        of, spread = a + b + c + d, a * d - b * c
        first, second = Proportion(a + b, of), Proportion(a + c, of)
        margins = (a + b) * (c + d) * (a + c) * (b + d)
        likeness = (max(spread - of / 2, 0) if spread > 0 else spread) / sqrt(margins) if margins else 0.0
        low, high = ([abs(each.value - bound) for bound in each.interval] for each in (first, second))
        down, up = ((x * x - 2 * likeness * x * y + y * y) ** 0.5 for x, y in zip(low, reversed(high), strict=True))
        return self.difference - down, self.difference + up

    @property
    def chance(self) -> str:
        """Return whether the difference "may be chance" or "is unlikely to be chance": below 5 %."""
        return "is unlikely to be chance" if self.p < 0.05 else "may be chance"
