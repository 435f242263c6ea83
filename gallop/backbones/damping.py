"""What cosines divide by at least: a setting that comes with the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gallop.config import MethodConfig


@dataclass(frozen=True)
class Damping:
    """The least that a cosine divides by, for images and for regions: their norm where that is more; 0 is the cosine.

    What holds little no longer counts like what is full, and where all norms are less than it, a map of cosines is the
    class activation map. CLIP's own towers have none; a model whose norms tell how much there is says so in its folder.
    """

    image: float = 0.0
    region: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.image, self.region):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"A damping of {value} was asked for; it must be a finite number of 0 or more.")

    def of(self, method: MethodConfig) -> Damping:
        """Return that of a model's cosines: with a global projection photos are damped as regions are, else the same.

        Both branches then start and learn alike, and neither outweighs the other in their mean. On ``mini`` it is 120
        in place of 46 and helps MCM most, by cross-validation inside train folders (``benchmarks/settings.md``).
        """
        return Damping(self.region, self.region) if method.global_projection else self
