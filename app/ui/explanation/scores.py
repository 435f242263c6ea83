"""The numbers behind the answer: global prompts, the sum, and all of them as a table."""

from __future__ import annotations

from statistics import pstdev
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import text
from app.charts import score_charts
from app.ui.widgets import media
from gallop.config import HEADS

if TYPE_CHECKING:
    from gallop import Explanation


def global_prompts(explanation: Explanation, class_name: str, *, alike: bool) -> None:
    """A bar for each prompt that is matched with the whole photo.

    Args:
        alike: whether all prompts say the same, as with one template; then they are one.
    """
    scores = explanation.global_scores
    mine = [float(score) for score in scores[explanation.class_names.index(class_name)]]
    if alike:
        st.markdown(f"**Whole photo against {text.markdown(class_name)}**: {mine[0]:.4f}, a cosine from -1 to 1.")
        return
    st.markdown(f"**Whole photo against {text.markdown(class_name)}**: the score of each global prompt")
    figure = score_charts.prompt_scores(mine, float(scores.max()))
    words = ", ".join(f"prompt {i}: {score:.3f}" for i, score in enumerate(mine, 1))
    media.chart(figure, key="global", alt=f"Bars of the global prompts' scores. {words}.")
    st.caption(
        f"Cosines from -1 to 1: mean {sum(mine) / len(mine):.4f} (dashed), "
        f"spread {pstdev(mine):.4f} (band, one standard deviation)."
    )


def together(explanation: Explanation, class_name: str) -> None:
    """How the class's score comes about."""
    row = explanation.class_names.index(class_name)
    whole = float(explanation.global_scores[row].mean())
    parts = float(explanation.local_scores[row].mean()) if explanation.topk else whole
    name, prompts = text.markdown(class_name), (whole + parts) / 2
    taught = {branch: float(found[row]) for branch, found in explanation.branch_scores.items()}
    if taught:
        words = f"the global prompts' mean {whole:.4f}"
        if explanation.topk:
            words += f" and the local prompts' mean {parts:.4f} average to {prompts:.4f}"
        score = explanation.similarities.prompts_weight * prompts
        for branch, own in taught.items():
            weight = explanation.similarities.branch_weights[branch]
            score += weight * own
            words += f"; the {HEADS[branch].title}, which the photos themselves taught, has {own:.4f} and a weight of "
            words += f"{weight:.2f}"
        st.markdown(
            f"Together: {words}. With it the score of {name} is **{score:.4f}**. "
            "The probabilities compare the classes' scores."
        )
        return
    if not explanation.topk:
        st.markdown(f"Together: the score of {name} is the global prompts' mean, **{whole:.4f}**.")
        return
    st.markdown(
        f"Together: the global prompts' mean {whole:.4f} and the local prompts' mean {parts:.4f} average to "
        f"**{prompts:.4f}**, the score of {name}. "
        "The probabilities compare the classes' scores."
    )


def numbers(explanation: Explanation, *, alike: bool) -> None:
    """Every figure as a table; of prompts that all say the same, one."""
    table: dict[str, Any] = {
        "class": list(explanation.class_names),
        "probability": list(explanation.probabilities.values()),
    }
    for m, column in enumerate(explanation.global_scores.T[: 1 if alike else None], 1):
        table[f"global {'' if alike else m}".strip()] = column
    for n, column in enumerate(explanation.local_scores.T):
        table[f"local {n + 1}, k = {explanation.topk[n]}"] = column
    table |= {HEADS[branch].title: found for branch, found in explanation.branch_scores.items()}
    st.dataframe(pd.DataFrame(table).sort_values("probability", ascending=False), hide_index=True)
