"""The numbers behind the picture; nothing is computed before their expander is opened."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from statistics import fmean
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import charts, text
from app.library import Deletion, Explanation, GalLoPClassifier
from app.ui.explanation.answer import Find, explained_class
from app.ui.resources import backbone, holding, session
from app.ui.widgets.elements import chart, problems_shown
from app.visitor.page_state import Question
from app.visitor.session import Session
from gallop import Photo
from gallop.config import HEADS
from gallop.model.scores import VERDICT


def together(explanation: Explanation, class_name: str) -> None:
    row, found = explanation.class_names.index(class_name), explanation.answers
    alone = {name: float(scores[0, row]) for name, scores in found.kinds.items()}
    words, score = f"the global prompts' mean {alone['global']:.4f}", float(found.scores[0, row])
    if explanation.topk:
        words += f" and the local prompts' mean {alone['local']:.4f} average to {float(found.prompts[0, row]):.4f}"
    for branch in explanation.branches:
        words += (
            f"; the {HEADS[branch].title}, trained on the photos directly, has {alone[branch]:.4f} and a weight "
            f"of {found.weights[branch]:.2f}"
        )
    st.markdown(
        f"Together: {words}. Overall, the score of {text.markdown(class_name)} is **{score:.4f}**. "
        "The probabilities are computed from the scores of all classes."
    )


def numbers(explanation: Explanation, *, alike: bool) -> None:
    """Draw a line for each class: its probability and every score; of prompts that are ``alike`` only one."""
    table: dict[str, Any] = {
        "class": list(explanation.class_names),
        "probability": list(explanation.probabilities.values()),
    }
    for m, column in enumerate(explanation.global_scores.T[: 1 if alike else None], 1):
        table[f"global {'' if alike else m}".strip()] = column
    for n, column in enumerate(explanation.local_scores.T):
        table[f"local {n + 1}, k = {explanation.topk[n]}"] = column
    table |= {HEADS[branch].title: scores for branch, scores in explanation.branch_scores.items()}
    st.dataframe(pd.DataFrame(table).sort_values("probability", ascending=False), hide_index=True)
    limit = (
        "" if explanation.threshold is None else f", and the limit for “none of these” is {explanation.threshold:.4f}"
    )
    st.caption(
        f"Scores are cosines, from -1 to 1. The outlier score ({VERDICT}) is {explanation.ood_score:.4f}{limit}."
    )


@st.fragment
def faithful(
    session: Session, classifier: GalLoPClassifier, explanation: Explanation, name: str, key: Hashable
) -> None:
    """Draw the deletion curve on demand; it is cached as long as nothing it depends on changes.

    Args:
        key: identifies this photo and classifier.
    """
    st.markdown(
        f"**Is the map of {text.markdown(name)} right?** If so, removing its best regions makes the score drop fast."
    )
    key = (key, name, explanation.topk, explanation.grid, session.training.version)
    place = st.empty()
    curve = session.answers.deletions.get(key)
    if curve is None:
        with place.container():
            clicked = st.button("Remove regions", icon=":material/blur_on:")
            st.caption(
                "This encodes the photo about fifty times with different regions blurred, which takes a few seconds."
            )
        if not clicked:
            return
        with problems_shown(), holding(session.training.backbone_name):
            curve = _play(classifier, explanation, name, place)
            session.answers.deletions.put(key, curve)
    if curve is None:
        return
    with place.container():
        _show(curve)


def _play(classifier: GalLoPClassifier, explanation: Explanation, name: str, place: DeltaGenerator) -> Deletion:
    """Compute the curve, a few pictures at a time: others are served in between, and leaving the page ends it."""
    from gallop.predictions.faithfulness import Deletion, deletion  # with torch, so only on demand

    for event in deletion(classifier.model_, explanation, name):
        if isinstance(event, Deletion):
            return event
        place.progress(event.done / event.total, f"Removing regions: {event.done} of {event.total} pictures")
    raise AssertionError("deletion ends with its result")


def _show(curve: Deletion) -> None:
    by_map, others = curve.area_by_map, curve.areas_at_random
    chart(
        charts.deletion_curve(curve),
        key="deletion",
        alt=f"The score as regions are removed. Area {by_map:.4f} under the map's curve, {fmean(others):.4f} under the "
        "random ones.",
    )
    if by_map < min(others):
        verdict = "Smaller than every random one: the map shows what the score depends on."
    elif by_map < fmean(others):
        verdict = "Smaller than the random ones on average, but not than each: the map shows part of it."
    else:
        verdict = "Not smaller than at random: here the map does not show what the score depends on."
    st.markdown(
        f"Area under the curve: **{by_map:.4f}** for the map, **{fmean(others):.4f}** on average for random orders "
        f"({min(others):.4f} to {max(others):.4f}). {verdict}"
    )


def folded_numbers(question: Question, find: Find, cover: Callable[[Explanation], Explanation]) -> None:
    """Draw the table; ``cover`` covers regions as the explainer shows them."""
    with st.expander("All numbers in a table", icon=":material/table:", key="numbers", on_change="rerun") as fold:
        if fold.open:
            with problems_shown():
                explanation = cover(find())
                together(explanation, explained_class(explanation, session().explore.explainer.class_name))
                numbers(explanation, alike=not question.taught and len(question.templates) == 1)


def map_tested(photo: Photo, question: Question, find: Find) -> None:
    with st.expander("Is the map right?", icon=":material/blur_on:", key="right", on_change="rerun") as fold:
        if fold.open:
            with problems_shown():
                explanation = find()
                if not explanation.topk and not explanation.branches:
                    st.caption("Without local prompts there is no map.")
                    return
                faithful(
                    session(),
                    session().answers.classifier(backbone(session().training.backbone_name), question),
                    explanation,
                    explained_class(explanation, session().explore.explainer.class_name),
                    (photo.sha256, question),
                )
