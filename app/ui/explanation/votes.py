"""Shots that voted: what each photo that was learned from adds to a branch's score, which is their sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from app import text
from app.photos import thumbnails
from app.ui.widgets import media
from gallop import Photo
from gallop.config import HEADS

if TYPE_CHECKING:
    from gallop import Explanation

_TOLD, _SIDE, _WIDE = 8, 120, 88
"""How many are shown, how many pixels each has, and how wide it stands: three beside each other on a phone."""


def voted_shots(explanation: Explanation, learned: Sequence[tuple[Photo, str]], class_name: str) -> None:
    """The photos that say most for or against a class.

    Args:
        learned: photos and their classes, in the order of the shots.
    """
    told = [branch for branch, voted in explanation.votes.items() if len(learned) == len(voted.labels)]
    if not told:
        st.caption(
            "Which photos voted is known of a model that was trained here, while all that it learned from are on the "
            "cards of Teach."
        )
    for branch in told:
        _votes_of(explanation, branch, learned, class_name)


def _votes_of(explanation: Explanation, branch: str, learned: Sequence[tuple[Photo, str]], class_name: str) -> None:
    voted, row, title = explanation.votes[branch], explanation.class_names.index(class_name), HEADS[branch].title
    given, shown = voted.shots[:, row].tolist(), voted.strongest(row, _TOLD)
    st.markdown(f"What each photo that it learned from adds to the {title}'s score of {text.markdown(class_name)}.")
    with st.container(horizontal=True, gap="small"):
        for i in shown:
            photo, name = learned[i]
            with st.container(width=_WIDE, gap="small"):
                media.image(thumbnails.strip([photo], side=_SIDE), width="stretch", alt=photo.name)
                st.caption(f"{given[i]:+.4f}, {text.markdown(text.shorten(name, 24))}")
    others = sum(given) - sum(given[i] for i in shown)
    more = f" the other {len(given) - len(shown)} photos add {others:+.4f}," if len(given) > len(shown) else ""
    rest = round(float(voted.rest[row]), 4) + 0.0  # no minus before a zero
    source = "the class names" if voted.named else "no photo"
    st.caption(
        f"Beside these{more} and {rest:+.4f} comes from {source}: together "
        f"{float(explanation.branch_scores[branch][row]):.4f}, the {title}'s score."
    )
