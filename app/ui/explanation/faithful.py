"""Is the map right? Take regions away in its order and at random, and look what the score does."""

from __future__ import annotations

from collections.abc import Hashable
from statistics import fmean
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.charts import score_charts
from app.ui.resources import holding
from app.ui.widgets import media
from app.ui.widgets.problems import ProblemsTold
from app.visitor.session import Session

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from gallop import Explanation, GalLoPClassifier
    from gallop.predictions.faithfulness import Deletion


@st.fragment
def faithful(
    session: Session, classifier: GalLoPClassifier, explanation: Explanation, name: str, key: Hashable
) -> None:
    """The deletion curve on demand, kept as long as nothing it depends on changes.

    Args:
        key: tells this photo and classifier from others.
    """
    st.markdown(f"**Is the map of {text.markdown(name)} right?** Without its best regions the score should fall fast.")
    key = (key, name, explanation.topk, explanation.grid)
    place = st.empty()
    found = session.answers.deletion(key)
    if found is None:
        with place.container():
            clicked = st.button("Take regions away", icon=":material/blur_on:")
            st.caption("Encodes this photo some fifty times with regions blurred, which takes a few seconds.")
        if not clicked:
            return
        with ProblemsTold(), holding(session.training.tower):
            found = _play(classifier, explanation, name, place)
            session.answers.keep_deletion(key, found)
    if found is None:
        return
    with place.container():
        _show(found)


def _play(classifier: GalLoPClassifier, explanation: Explanation, name: str, place: DeltaGenerator) -> Deletion:
    """The game, a few pictures at a time: others are served between two steps, and going elsewhere ends it."""
    from gallop.predictions.faithfulness import Deletion, deletion  # with torch, so not before somebody asks

    for event in deletion(classifier.model_, explanation, name):
        if isinstance(event, Deletion):
            return event
        place.progress(event.done / event.total, f"Taking regions away: {event.done} of {event.total} pictures")
    raise AssertionError("the game ends with its result")


def _show(found: Deletion) -> None:
    mine, others = found.area_by_map, found.areas_at_random
    areas = f"{mine:.4f} under the map's curve, {fmean(others):.4f} under the random ones"
    media.chart(
        score_charts.deletion_curve(found), key="deletion", alt=f"The score as regions are taken away. Area {areas}."
    )
    if mine < min(others):
        verdict = "Smaller than every random one: the map found what the score stands on."
    elif mine < fmean(others):
        verdict = "Smaller than the random ones on average, but not than each: the map found part of it."
    else:
        verdict = "Not smaller than at random: here the map does not show what the score stands on."
    st.markdown(
        f"Area: **{mine:.4f}** under the map's curve, **{fmean(others):.4f}** on average for random orders "
        f"({min(others):.4f} to {max(others):.4f}). {verdict}"
    )
