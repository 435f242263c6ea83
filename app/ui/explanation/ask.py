"""Ask a region: which classes and which prompts answer to one cell of the photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import text
from app.charts import score_charts
from app.ui.widgets import media
from app.ui.widgets.region_grid import asked
from gallop.maps.look import Subject
from gallop.predictions.heatmaps import place_in_words

if TYPE_CHECKING:
    from gallop import Explanation

MOST_PAIRS = 12


def ask(explanation: Explanation) -> None:
    """Ranked classes and prompts of the region that was clicked."""
    st.markdown("**Ask a region**")
    region = asked(explanation.grid)
    if region is None:
        how = "Click a region of a picture, or walk to it with the arrow keys and press Enter."
        st.info(how, icon=":material/ads_click:")
        return
    st.markdown(alone(explanation, region))
    shares = _shares(explanation, region)
    listed = ", ".join(f"{text.shorten(name)} {text.percent(shares[name])}" for name in score_charts.strongest(shares))
    media.chart(score_charts.probabilities(shares), key="asked", alt=f"Bars of what this region is like: {listed}.")
    st.dataframe(_pairs(explanation, region), hide_index=True, key="pairs")
    st.caption("The classes and local prompts that answer most to this region.")


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


def _pairs(explanation: Explanation, region: int) -> pd.DataFrame:
    """Classes and local prompts by their score here, and whether this region is among the k that counted."""
    scores = explanation.at_region(region)
    pairs = [(float(scores[k, n]), k, n) for k in range(scores.shape[0]) for n in range(scores.shape[1])]
    best = sorted(pairs, key=lambda pair: -pair[0])[:MOST_PAIRS]
    names = explanation.class_names
    return pd.DataFrame(
        {
            "class": [names[k] for _, k, _ in best],
            "prompt": [f"local {n + 1}" for _, _, n in best],
            "score": [score for score, _, _ in best],
            "counted": [region in Subject(explanation, names[k]).kept(n) for _, k, n in best],
        }
    )
