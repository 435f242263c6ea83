"""How a tower stands, in words and figures for the pages."""

from __future__ import annotations

from dataclasses import dataclass

from gallop.backbones.weights.known import KnownTower


@dataclass(frozen=True)
class Standing:
    """How a tower stands: ``seconds`` that it has been loading; where it is loaded, where and how it computes; and the
    kind of its regions.
    """

    tower: KnownTower
    seconds: float | None = None
    device: str = ""
    precision: str = ""
    regions: str = "value"

    @property
    def sentence(self) -> str:
        """How far it is, in words."""
        size = f"{self.tower.memory / 1e6:.0f} MB" if self.tower.memory else "its weights"
        return f"Loading {self.tower.name} ({size}), {self.seconds or 0:.0f} seconds so far"
