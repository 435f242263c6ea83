"""Are the prompts different? What they say, where they look, what each is worth, and why their words mean little."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import charts
from app.library import Nearest, Worth
from app.ui.widgets.elements import chart
from app.views.testing import Figures, numbered, pair
from gallop.predictions.heatmaps import where_in_words

ADVICE = {
    "global": "One of them is redundant: more dropout, a larger learning rate or more rounds can make them differ.",
    "local": "They differ only in their scale k. See below whether they look at different places.",
}


def says(figures: Figures) -> None:
    from gallop.evaluation.diversity import AS_ONE  # loads torch

    st.header(
        "Do they say the same thing?",
        anchor=False,
        help="A prompt and a class name give one text feature. Each value is the cosine of two prompts' features of "
        "the same class, averaged over the classes. At 1 they say the same thing, as all do before training (“A photo "
        "of a”). The colour changes as much from 0.9 to 0.99 as from 0.99 to 0.999.",
    )
    branches = (("global", figures.says_global), ("local", figures.says_local))
    for (branch, cosines), column in zip(branches, st.columns(2, gap="large"), strict=True):
        with column:
            st.markdown(f"**{branch.capitalize()} prompts**")
            names = numbered(branch, len(cosines))
            if len(names) < 2:
                st.caption("There are none." if not names else "There is only one, with nothing to compare it with.")
                continue
            chart(
                charts.cosines(cosines, names),
                key=f"says {branch}",
                alt=f"Cosines of the {branch} prompts' texts. {_pairs(cosines, names)}.",
            )
            i, j, value = pair(cosines)
            words, close = f"Closest: {names[i]} and {names[j]}, {value:.3f}", value >= AS_ONE
            st.caption(f"{words}: nearly the same." if close else f"{words}.", help=ADVICE[branch] if close else None)


def show_overlap(figures: Figures, photos: int) -> None:
    st.header("Do they look at the same places?", anchor=False)
    if not figures.topk:
        st.caption("This model has no local prompts, so it does not look at individual regions.")
        return
    names, highest = numbered("local", len(figures.topk)), float(figures.looks.max())
    st.markdown(
        f"Regions chosen in {_photos(photos)}. No prompt chooses the same region in more than {highest:.0%} of them.",
        help="For the true class of each photo, each local prompt chooses its k best regions. Brighter regions are "
        "chosen more often.",
    )
    for start in range(0, len(names), 4):
        for n, column in zip(range(start, min(start + 4, len(names))), st.columns(4), strict=False):
            with column:
                regions = figures.looks.shape[1]
                k = min(figures.topk[n], regions)
                often = np.argsort(-figures.looks[n], kind="stable")[:k]
                where = where_in_words([int(r) for r in often], figures.grid)
                chart(
                    charts.overlap_chart(figures.looks[n], figures.grid, highest),
                    key=f"looks {n}",
                    alt=f"Where local prompt {n + 1} looks: its {k} most chosen regions lie {where}.",
                )
                st.caption(
                    f"{names[n].capitalize()}, k = {k}: top region chosen in {figures.looks[n].max():.0%} of photos.",
                    help=f"{where.split(';')[0].capitalize()}. By chance, a region is chosen in {k / regions:.0%}.",
                )
    if len(names) < 2:
        return
    left, right = st.columns(2, gap="large")
    with left:
        chart(
            charts.matrix(figures.overlap, names),
            key="overlap",
            alt=f"Overlap of the chosen regions. {_pairs(figures.overlap, names)}.",
        )
    with right:
        st.markdown(
            "**Overlap** of what two prompts chose.",
            help="Of the regions that either prompt chose, the fraction that both chose (Jaccard index), averaged "
            "over the photos. Two prompts with different k cannot reach 1.",
        )
        i, j, value = pair(figures.overlap / figures.most)
        st.markdown(
            f"Largest overlap: **{names[i]} and {names[j]}**, {value:.0%} of the maximum possible with their k values.",
            help=f"{figures.overlap[i, j]:.2f} of the {figures.most[i, j]:.2f} that k = {figures.topk[i]} and "
            f"{figures.topk[j]} allow. "
            + (
                "One looks where the other does, so it adds a scale but not a place."
                if value > 0.8
                else "They overlap in part, and each also has other regions."
            ),
        )


def worth(figures: Figures, photos: int, *, learned: bool) -> None:
    st.header("What is each worth?", anchor=False)
    names, overall = figures.names, figures.accuracy
    _warning(figures)
    left, right = st.columns(2, gap="large")
    without = [None if each.without is None else each.without / photos for each in figures.worths]
    with left:
        if any(accuracy is not None for accuracy in without):
            listed = ", ".join(
                f"{name} {accuracy:.0%}" for name, accuracy in zip(names, without, strict=True) if accuracy is not None
            )
            chart(
                charts.without(names, without, overall.value),
                key="without",
                alt=f"Right with all prompts {overall.value:.0%}; without one: {listed}.",
            )
            beside = f" The {' and the '.join(figures.branches)} also answers each time, so little may change."
            stays = beside if figures.branches else ""
            st.caption(f"Dashed: with all prompts, {overall.right} of {_photos(photos)} right.{stays}")
        else:
            st.caption("There is only one prompt, so it cannot be left out.")
    with right:
        st.markdown(
            "Accuracy **without** each prompt. Left of the line: leaving the prompt out lowers accuracy.",
            help="The mean of its branch is then taken over the other prompts. On the line: the others do as well "
            "without it, as an ensemble of prompts should. Influence: how much its scores separate the classes; 1 is "
            "the average of its branch.",
        )
        low, high = overall.interval
        st.caption(
            f"95 % interval: {low:.0%} to {high:.0%}. A difference of one or two photos means nothing."
            + (" These are training photos, so the figures are optimistic." if learned else "")
        )
    st.dataframe(_table(names, figures.worths, photos), hide_index=True, key="worth")


def show_words(nearest_words: Sequence[Sequence[Sequence[Nearest]]], global_prompts: int) -> None:
    st.header(
        "What would they be in words?",
        anchor=False,
        help="A prompt is a few learned vectors. They are learned together and lie between words, so the nearest word "
        "is mostly chance, as CoOp also reports (Zhou et al. 2022, table 4). All started as “A photo of a”, so those "
        "words are near.",
    )
    st.markdown("The words nearest to each prompt, with their distances. **These words mean little.**")
    names = [*numbered("global", global_prompts), *numbered("local", len(nearest_words) - global_prompts)]
    table: dict[str, Any] = {"prompt": names}
    for c in range(len(nearest_words[0])):
        table[f"token {c + 1}"] = [
            ", ".join(f"{near.word} {near.distance:.2f}" for near in prompt[c]) for prompt in nearest_words
        ]
    st.dataframe(pd.DataFrame(table), hide_index=True, key="words")


def _warning(figures: Figures) -> None:
    dead = [(name, each) for name, each in zip(figures.names, figures.worths, strict=True) if each.dead]
    meaning = (
        "A dead prompt hardly separates the classes (its influence is below a tenth of its branch's average), or "
        "alone it is no more accurate than always answering the most common class. It still counts in the mean."
    )
    if not dead:
        st.markdown(":material/check: No prompt is dead.", help=meaning)
        return
    described = "; ".join(f"**{name}** {_why(each)}" for name, each in dead)
    st.warning(
        f"Dead prompts: {described}. More training rounds, another seed or fewer prompts may help.",
        icon=":material/warning:",
    )
    st.caption("What dead means", help=meaning)


def _why(each: Worth) -> str:
    reasons = [f"has an influence of {each.influence:.2f}"] * each.silent
    reasons += [f"gets {each.alone} right alone, and the most common class has {each.commonest} photos"] * each.ignorant
    return " and ".join(reasons)


def _table(names: Sequence[str], worths: Sequence[Worth], photos: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "prompt": list(names),
            "influence": [f"{each.influence:.2f}" for each in worths],
            "right alone": [f"{each.alone} ({each.alone / photos:.0%})" for each in worths],
            "right without it": [
                "" if each.without is None else f"{each.without} ({each.without / photos:.0%})" for each in worths
            ],
            "wrong without it, right with it": [each.lost for each in worths],
            "right without it, wrong with it": [each.gained for each in worths],
            "dead": [each.dead for each in worths],
        }
    )


def _pairs(values: NDArray[np.floating], names: Sequence[str]) -> str:
    pairs = itertools.combinations(range(len(names)), 2)
    return "; ".join(f"{names[i]} and {names[j]} {values[i, j]:.2f}" for i, j in pairs)


def _photos(count: int) -> str:
    return f"{count} photo{'' if count == 1 else 's'}"
