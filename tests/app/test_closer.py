"""A second look on Explore follows the first: finer maps of one answer, or the answer of a model that looks twice."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from app.ui.explanation import answer
from app.visitor.page_state import Question
from app.visitor.session import Session
from gallop.images import load_image
from gallop.maps.explainer.payload import explainer_data
from gallop.maps.map_style import Subject
from tests import tiny
from tests.app_pages import EXPLORE, PAPERS, Open, cards, fine, go, session_of, train


def test_finer_maps_follow_and_leave_the_answer_as_it_is() -> None:
    session, photo, question = Session(), load_image(tiny.picture(3)), Question(("red", "green"))
    first = session.answers.explain(tiny.vit(), photo, question)
    assert session.answers.explain_first_look(tiny.vit(), photo, question).alike == first.alike != ""
    assert not session.answers.has_second_look(photo, question)
    closer = session.answers.explain_second_look(tiny.vit(), photo, question)
    assert session.answers.has_second_look(photo, question)
    assert (closer.probabilities, closer.grids) == (first.probabilities, (first.grid, (8, 8)))
    outlined, best = (subject := Subject(closer, "red")).top_regions(0), np.argsort(-subject.scores(0), axis=None)
    assert outlined == best[: len(outlined)].tolist() != []
    data = explainer_data(closer)
    assert [(grid["rows"], grid["columns"]) for grid in data["grids"]] == [(4, 4), (8, 8)]
    assert [branch["weight"] for branch in data["takes"][0]["branches"]] == [0.5, 0.5, 0.0]


def test_a_model_that_looks_twice_answers_from_the_first_look_until_the_second_has_come(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = mock.Mock(wraps=answer.show_answer)
    monkeypatch.setattr(answer, "show_answer", shown)
    at = train(cards(fine(tiny_app()), {"red": 3, "green": 3}, 0, **PAPERS | {"detail": 2.0}))
    photo = load_image(tiny.picture(9))
    session_of(at).photos.shelf.add([photo])
    session_of(at).explore = session_of(at).explore.looking_at(photo.sha256)
    shown.reset_mock()
    at = go(at, EXPLORE)
    first, second = (shown.call_args_list[which].args[1:3] for which in (0, -1))
    assert ({len(each.grids) for each in first}, {len(each.grids) for each in second}) == ({1}, {2})
    assert first[0].probabilities != second[0].probabilities
    shown.reset_mock()
    fine(at.run())
    shown.assert_called_once()  # the second look is there: none comes before it
    assert shown.call_args.args[1].probabilities == second[0].probabilities
