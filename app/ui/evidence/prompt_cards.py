"""A card for each prompt: its words, its best photos or regions, what it is worth; and the figures behind, folded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from app import text
from app.library import InWords
from app.ui import labelled
from app.ui.resources import backbone as backbone_now
from app.ui.widgets.elements import folded, photo_strip
from app.ui.widgets.remembered import one_of
from app.views import prompts, testing
from app.views.prompts import PromptCard
from app.views.testing import Figures
from app.visitor.session import Session
from gallop import Photo


def each_prompt(session: Session, pile: str, pairs: Sequence[tuple[Photo, str]]) -> None:
    """Draw what each taught prompt says and is worth on photos with their classes, of a pile by its name."""
    with st.spinner("Looking at the photos …", show_time=True):
        figures = testing.figures(session, backbone := backbone_now(session.training.backbone_name), pairs)
        tiles = prompts.tiles(session, backbone, pairs, figures)
    st.markdown(f"**{prompts.lead(figures, pile)}**")
    if words := prompts.coinciding(figures.diversity):
        st.info(words, icon=":material/join_inner:")
    taught = session.training.taught_model
    class_name = one_of(
        "Words for the class",
        taught.names,
        "evidence class_name",
        taught.names[0],
        help="Percent: how much of what a prompt adds to “A photo of a …” is told by a word, or by none.",
    )
    with st.spinner("Reading the words …", show_time=True):
        told = session.answers.words(backbone, testing.taught_question(session), class_name)
    starts = taught.after.model_.config.sentences
    cards = prompts.cards(figures, starts, told, tiles)
    for row in (cards[start : start + 2] for start in range(0, len(cards), 2)):
        for card, column in zip(row, st.columns(2), strict=False):
            with column, st.container(border=True, height="stretch", gap="small"):
                _card(session, card, len(pairs))
        if session.evidence.opened in {tile.key for card in row for tile in card.tiles}:
            labelled.show_opened(session, backbone, pairs)
    folded("All figures", ":material/table:", "prompt figures", partial(all_figures, figures, told, len(pairs)))


def _card(session: Session, card: PromptCard, photos: int) -> None:
    def open_tile(key: str) -> None:
        truth = {tile.key: tile.name for tile in card.tiles}
        session.evidence = session.evidence.opening(key, truth.get(key))

    st.header(card.name, anchor=False)
    st.markdown(f"**{text.share(card.alone / photos)}** right alone{_lost(card.lost)}")
    st.markdown(text.markdown(card.words))
    if card.dead:
        st.caption(f":material/warning: Dead: {card.dead}.")
    if card.shown or not card.tiles:
        st.caption(card.shown or "Alone it gets no photo right.")
    photo_strip(f"card {card.name}", card.tiles, session.evidence.opened, open_tile)


def _lost(points: float | None) -> str:
    if points is None:
        return ""
    return (
        f" · **{abs(points):.1f} points** {'lost' if points > 0 else 'gained'} without it"
        if points
        else " · nothing lost without it"
    )


def all_figures(figures: Figures, told: Sequence[InWords], photos: int) -> None:
    """Draw how alike prompts are, and each figure and word of each."""
    st.markdown(f"{figures.diversity.words}.")
    st.header(
        "What is each worth, and in which words?",
        anchor=False,
        help="Right without it: the mean of its branch is then taken over the other prompts; where as many are right, "
        "they do as well without it, as an ensemble of prompts should. Influence: how much its scores separate the "
        "classes; 1 is the average of its branch. Dead: its influence is below a tenth of that, or alone it is no more "
        "accurate than always answering the most common class; it still counts in the mean. In words: its text "
        "feature of the class is a sum: the plain class, “A photo of a …”, plus a few words, each the feature of the "
        "same class in another sentence (“A sketch of a …”) times a weight, plus a rest that no word tells. Percent: "
        "the words and the rest as parts of what the context adds. Last columns: the weight of the plain class; the "
        "rest as a part of the whole feature.",
    )
    interval = " to ".join(text.share(end) for end in figures.accuracy.interval)
    st.caption(
        f"95 % interval of all prompts together: {interval}. A difference of one or two photos means nothing. Words of "
        f"{text.markdown(told[0].class_name)}."
    )
    rows = [
        {
            "prompt": name,
            "influence": f"{each.influence:.2f}",
            "right alone": f"{each.alone} ({text.share(each.alone / photos)})",
            "right without it": "" if each.without is None else f"{each.without} ({text.share(each.without / photos)})",
            "wrong without it, right with it": each.lost,
            "right without it, wrong with it": each.gained,
            "dead": each.dead,
            "cosine with the plain class": f"{words.before:.3f}",
            "words its context adds": ", ".join(f"{part.word} {text.share(part.added)}" for part in words.parts[1:-1])
            if words.learned
            else "none: it says what “A photo of a” says",
            "in no word": text.share(words.rest.added) if words.learned else "",
            "plain class": f"{words.parts[0].weight:.2f}",
            "rest of the whole": text.share(words.rest.share, 1),
        }
        for name, each, words in zip(figures.names, figures.worths, told, strict=True)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="worth")
