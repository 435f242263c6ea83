"""Ask a region: what one cell of the photo looks like by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import text
from gallop.predictions.heatmaps import place_in_words

if TYPE_CHECKING:
    from gallop import Explanation


def alone(explanation: Explanation, region: int) -> str:
    """What one region looks like by itself, as Markdown."""
    row, column = divmod(region, explanation.grid[1])
    place = place_in_words(region, explanation.grid)
    shares = _shares(explanation, region)
    best = max(shares, key=shares.__getitem__)
    return (
        f"{place.capitalize()}, row {row + 1}, column {column + 1}: alone it would be "
        f"**{text.markdown(best)}**, {text.percent(shares[best])}."
    )


def _shares(explanation: Explanation, region: int) -> dict[str, float]:
    return dict(zip(explanation.class_names, map(float, explanation.region_probabilities[region]), strict=True))
