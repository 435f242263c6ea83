"""Finer maps on Explore: the same answer, from a second look that follows the first."""

from __future__ import annotations

from app.views.explore_said import explore_of, explore_said
from app.visitor.explore import ExploreState
from app.visitor.question import Question
from app.visitor.session import Session
from gallop.images import load_image
from gallop.maps.explainer.data import explainer_data
from tests import tiny


def test_finer_maps_follow_and_leave_the_answer_as_it_is() -> None:
    session, photo, question = Session(), load_image(tiny.picture(3)), Question(("red", "green"))
    first = session.answers.explain(tiny.vit(), photo, question)
    assert not session.answers.closer(photo, question)
    closer = session.answers.explain_closer(tiny.vit(), photo, question)
    assert session.answers.closer(photo, question)
    assert closer.probabilities == first.probabilities
    assert (closer.first_grid, closer.grid) == (first.grid, (8, 8))
    data = explainer_data(closer)
    assert [(grid["rows"], grid["columns"]) for grid in data["grids"]] == [(4, 4), (8, 8)]
    assert [branch["weight"] for branch in data["takes"][0]["branches"]] == [0.5, 0.5, 0.0]


def test_that_they_are_wanted_is_kept_with_the_page() -> None:
    assert explore_of(explore_said(ExploreState(finer=True))).finer is True
