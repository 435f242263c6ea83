"""Are the prompts different? What they say, also in words, where they look, and what each is worth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import charts, text
from app.library import InWords, Worth
from app.ui.widgets.elements import cells, chart, image, photo_strip
from app.views.exploring import PhotoTile
from app.views.testing import Figures, numbered
from app.visitor.session import Session
from gallop import Photo
from gallop.predictions.heatmaps import where_in_words
from gallop.wording import counted


def says(figures: Figures) -> None:
    st.header(
        "Do they say the same thing?",
        anchor=False,
        help="A prompt and a class name give one text feature. Each value is the cosine of two prompts' features of "
        "the same class, averaged over the classes. At 1 they say the same thing. "
        "The colour changes as much from 0.9 to 0.99 as from 0.99 to 0.999.",
    )
    cosines_of = {"global": figures.says_global, "local": figures.says_local}
    for (branch, cosines), column in zip(cosines_of.items(), st.columns(2, gap="large"), strict=True):
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


def show_words(told: Sequence[InWords]) -> None:
    st.header(
        "What would they be in words?",
        anchor=False,
        help="A prompt's text feature of the class is a sum: the plain class, “A photo of a …”, "
        "plus a few words, each the feature of the same class in another sentence (“A sketch of a …”) times a weight, "
        "plus a rest that no word tells. So every score is that sum, too. Percent: the words and the rest as parts of "
        "what the context adds. Last columns: the weight of the plain class; the rest as a part of the whole feature.",
    )
    nearest, name = min(each.before for each in told), text.markdown(told[0].class_name)
    learned = [each.rest.added for each in told if each.learned]
    if not learned:
        st.markdown(
            f"**They say of {name} what “A photo of a” says:** each has a cosine of {nearest:.4f} or more with "
            "“A photo of a …”, so there is little to tell."
        )
        return
    rest = float(np.mean(learned))
    if rest > 0.5:
        st.warning(
            f"**Words say little of {name} here:** {rest:.0%} of what contexts add is in none of them.",
            icon=":material/warning:",
        )
    else:
        st.markdown(f"Words say **{1 - rest:.0%}** of what contexts add for {name}.")
    lines = [
        {
            "prompt": each.prompt,
            "cosine with the plain class": f"{each.before:.3f}",
            "words its context adds": ", ".join(f"{part.word} {part.added:.0%}" for part in each.parts[1:-1])
            if each.learned
            else "none: it says what “A photo of a” says",
            "in no word": f"{each.rest.added:.0%}" if each.learned else "",
            "plain class": f"{each.parts[0].weight:.2f}",
            "rest of the whole": f"{each.rest.share:.1%}",
        }
        for each in told
    ]
    st.dataframe(pd.DataFrame(lines), hide_index=True, key="words")


_AS_ONE_GALLERY = "The local prompts say the same, so all find these best: they differ only in how many they take."


def galleries(session: Session, figures: Figures, rows: Sequence[Sequence[PhotoTile]], class_name: str) -> None:
    """Draw each local prompt's best regions over all photos, of prompts that say the same once."""
    st.header(
        "Which regions does each find best?",
        anchor=False,
        help="Over all photos, the regions with the highest cosines, each with what is around it. Beneath: its cosine "
        "and the class of its photo. A click opens the photo at that region.",
    )
    _, same = figures.diversity.as_one
    for n, tiles in enumerate(rows[:1] if same else rows):
        st.caption(_AS_ONE_GALLERY if same else f"**Local {n + 1}**, k = {figures.topk[n]}")
        photo_strip(f"patches {n}", tiles, session.prompts.opened, lambda tile: _open(session, tile, class_name))


def _open(session: Session, tile: str, class_name: str) -> None:
    session.prompts = session.prompts.opening(tile, class_name)


def show_choices(
    figures: Figures, found: Sequence[tuple[Photo, NDArray[np.uint8], Sequence[int]]], prompts: tuple[int, int]
) -> None:
    """Draw the photos in which two local prompts chose most differently, as ``testing.choices`` gives them."""
    one, other = (f"local {n + 1} (k = {figures.topk[n]})" for n in prompts)
    st.markdown(
        f"**Where two choose differently:** :blue-background[blue] by {one} alone, :orange-background[orange] by "
        f"{other} alone, white by both.",
        help=f"The two local prompts that have least in common: of the regions that either chose, both chose "
        f"{figures.overlap[prompts]:.0%} (Jaccard index, averaged over the photos), and their k allow "
        f"{figures.most[prompts]:.0%} at most. Where that is reached, the larger k adds a scale but not a place.",
    )
    for (photo, picture, only), column in zip(found, st.columns(4), strict=False):
        with column:
            image(picture, width="stretch", alt=f"{photo.name}: {only[0]} by {one} alone, {only[1]} by {other} alone")
            st.caption(f"{only[0]} blue, {only[1]} orange")


def show_overlap(figures: Figures, photos: int) -> None:
    st.header("Do they look at the same places?", anchor=False)
    if not figures.topk:
        st.caption("This model has no local prompts, so it does not look at individual regions.")
        return
    names, highest = numbered("local", len(figures.topk)), float(figures.looks.max())
    st.markdown(
        f"Regions chosen in {counted(photos, 'photo')}. No prompt chooses the same region in more than {highest:.0%} "
        "of them.",
        help="For the true class of each photo, each local prompt chooses its k best regions. Brighter regions are "
        "chosen more often.",
    )
    for n, cell in enumerate(cells(len(names), 4)):
        with cell:
            regions = figures.looks.shape[1]
            k = min(figures.topk[n], regions)
            where = where_in_words(np.argsort(-figures.looks[n], kind="stable")[:k].tolist(), figures.grid)
            chart(
                charts.overlap_chart(figures.looks[n], figures.grid, highest),
                key=f"looks {n}",
                alt=f"Where local prompt {n + 1} looks: its {k} most chosen regions lie {where}.",
            )
            st.caption(
                f"{names[n].capitalize()}, k = {k}{_adds(figures, n)}",
                help=f"{where.split(';')[0].capitalize()}. By chance, a region is chosen in {k / regions:.0%}.",
            )


def _adds(figures: Figures, n: int) -> str:
    """What a scale adds to the next smaller one."""
    smaller = [m for m, k in enumerate(figures.topk) if k < figures.topk[n]]
    if not smaller:
        return "."
    below = max(smaller, key=lambda m: figures.topk[m])
    return f": {figures.adds[n, below]:.1f} of its regions are not among those of k = {figures.topk[below]}."


def worth(figures: Figures, photos: int, *, learned: bool) -> None:
    st.header("What is each worth?", anchor=False)
    names, overall = figures.names, figures.accuracy
    _warning(figures)
    low, high = overall.interval
    verb = "answers" if len(figures.branches) == 1 else "answer"
    beside = f" The {' and the '.join(figures.branches)} also {verb} each time, so little may change without one."
    st.markdown(
        f"With all prompts, {overall.right} of {counted(photos, 'photo')} right.{beside if figures.branches else ''}",
        help="Right without it: the mean of its branch is then taken over the other prompts; where as many are right, "
        "they do as well without it, as an ensemble of prompts should. Influence: how much its scores separate the "
        "classes; 1 is the average of its branch.",
    )
    st.caption(
        f"95 % interval: {low:.0%} to {high:.0%}. A difference of one or two photos means nothing."
        + (" These are training photos, so the figures are optimistic." if learned else "")
    )
    st.dataframe(_table(names, figures.worths, photos), hide_index=True, key="worth")


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
