"""The training photos that raise or lower the head's score of a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import streamlit as st

from app import text
from app.library import Explanation
from app.photos import shelf
from app.ui.resources import session
from app.ui.widgets.elements import image, problems_shown
from app.visitor.page_state import Question
from gallop import Photo
from gallop.config import HEADS

# How many photos are shown, the pixels of each, and its width: three side by side on a phone.
_SHOWN, _SIDE, _WIDE = 8, 120, 88


def _votes_of(explanation: Explanation, branch: str, learned: Sequence[tuple[Photo, str]], class_name: str) -> None:
    """Draw the photos that add most to the score of a class, or take most from it.

    Args:
        learned: photos and their classes, in the order of the shots.
    """
    voted, row, title = explanation.votes[branch], explanation.class_names.index(class_name), HEADS[branch].title
    given, shown = voted.shots[:, row].tolist(), voted.strongest(row, _SHOWN)
    st.markdown(f"These training photos raise or lower the {title}'s score for {text.markdown(class_name)} most.")
    with st.container(horizontal=True, gap="small"):
        for i in shown:
            photo, name = learned[i]
            with st.container(width=_WIDE, gap="small"):
                image(shelf.strip([photo], side=_SIDE), width="stretch", alt=photo.name)
                st.caption(f"{given[i]:+.4f}, {text.markdown(text.shorten(name, 24))}")
    others = sum(given) - sum(given[i] for i in shown)
    more = f" the other {len(given) - len(shown)} photos add {others:+.4f}, and" if len(given) > len(shown) else ""
    rest = round(float(voted.rest[row]), 4) + 0.0  # no minus before a zero
    source = "comes from the class names" if voted.named else "does not come from any photo"
    st.caption(
        f"In addition,{more} {rest:+.4f} {source}. Altogether, the {title}'s score is "
        f"{float(explanation.branch_scores[branch][row]):.4f}."
    )


# Returns the explanation at the current k.
Find = Callable[[], "Explanation"]


def explained_class(explanation: Explanation, chosen: str | None) -> str:
    return chosen if chosen in explanation.class_names else explanation.label


def shots_that_voted(photo: Photo, question: Question, find: Find, chosen: str | None) -> None:
    """Draw the training photos that voted for or against a class, in an expander; nothing is computed before it opens.

    Args:
        chosen: the class; if it is none of the explanation's, the most probable one.
    """
    taught = session().training.taught
    if taught is None or not question.taught or not any(branch.how.votes for branch in taught.after.model_.branches):
        return
    with st.expander("Shots that voted", icon=":material/how_to_vote:", key="votes", on_change="rerun") as fold:
        if not fold.open:
            return
        with problems_shown():
            explanation, learned = find(), session().training.learned
            if not explanation.votes and learned:
                with st.spinner("Looking at the training photos"):
                    explanation = replace(explanation, votes=session().answers.votes(photo, question))
            branches = [branch for branch, voted in explanation.votes.items() if len(learned) == len(voted.labels)]
            if not branches:
                st.caption(
                    "Votes can only be shown for a model that was trained here, and only while all its training photos "
                    "are on the class cards on *Teach*."
                )
            for branch in branches:
                _votes_of(explanation, branch, learned, explained_class(explanation, chosen))
