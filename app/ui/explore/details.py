"""The numbers behind the picture, for who opens them: nothing of them is worked out before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from app.ui.explanation import scores
from app.ui.explanation.faithful import faithful
from app.ui.explanation.votes import voted_shots
from app.ui.resources import backbone, session
from app.ui.widgets.problems import ProblemsTold
from app.visitor.question import Question
from gallop import Photo

if TYPE_CHECKING:
    from gallop import Explanation

Find = Callable[[], "Explanation"]
"""Gives the explanation at the k that stand."""


def folded_numbers(question: Question, find: Find) -> None:
    """All of them as a table, and how the score of the class comes about."""
    with st.expander("All numbers", icon=":material/table:", key="numbers", on_change="rerun") as fold:
        if not fold.open:
            return
        with ProblemsTold():
            found = find()
            name, alike = _explained(found), not question.taught and len(question.templates) == 1
            scores.global_prompts(found, name, alike=alike)
            scores.together(found, name)
            scores.numbers(found, alike=alike)


def map_tested(photo: Photo, question: Question, find: Find) -> None:
    """Whether the map shows what the score stands on."""
    with st.expander("Is the map right?", icon=":material/blur_on:", key="right", on_change="rerun") as fold:
        if not fold.open:
            return
        with ProblemsTold():
            found = find()
            if not found.topk and not found.branches:
                st.caption("Without local prompts there is no map.")
                return
            classifier = session().answers.classifier(backbone(session().training.tower), question)
            faithful(session(), classifier, found, _explained(found), (photo.sha256, question))


def shots_that_voted(photo: Photo, question: Question, find: Find) -> None:
    """Which photos it learned from said what, where a branch can tell."""
    taught = session().training.taught
    if taught is None or not question.taught or not any(branch.how.votes for branch in taught.after.model_.branches):
        return
    with st.expander("Shots that voted", icon=":material/how_to_vote:", key="votes", on_change="rerun") as fold:
        if not fold.open:
            return
        with ProblemsTold():
            found, learned = find(), session().training.learned
            if not found.votes and learned:
                with st.spinner("Looking at the photos that it learned from"):
                    found = replace(found, votes=session().answers.votes(photo, question))
            voted_shots(found, learned, _explained(found))


def _explained(found: Explanation) -> str:
    chosen = session().explore.class_name
    return chosen if chosen in found.class_names else found.label
