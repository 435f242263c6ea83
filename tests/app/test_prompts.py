"""The page Prompts in this process: every state, and figures that are those of the library."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.ui import resources
from app.views import export, testing
from gallop import GalLoPClassifier
from gallop.evaluation.diversity import text_cosines
from tests import app_pages
from tests.app_pages import COMPARE, PAPERS, PROMPTS, TEACH, Open, bars, everything, fine, go, put, session_of


def taught(open_app: Open, tests: int = 3, counts: dict[str, int] | None = None, **values: Any) -> AppTest:
    at = app_pages.cards(fine(open_app()), counts or {"red": 3, "green": 3}, tests, **PAPERS | values)
    return go(app_pages.train(at), PROMPTS)


def numbers(at: AppTest, key: str, what: str = "text") -> Any:
    """What a heat map shows: the values written in its squares, or its colours."""
    return np.array(json.loads(bars(at, key))["data"][0][what], dtype=float)


def table(at: AppTest, column: str) -> Any:
    return next(found.value for found in at.dataframe if column in found.value)


def test_figures_are_the_librarys_on_the_photos_that_were_chosen(tiny_app: Open) -> None:
    at = taught(tiny_app, epochs=8, lr=0.5, dropout=0.5)
    session = session_of(at)
    assert session.training.taught is not None
    said = session.training.taught.after.model_.cached_text_features()
    assert numbers(at, "says global") == pytest.approx(text_cosines(said.global_), abs=6e-4)
    assert numbers(at, "says local") == pytest.approx(text_cosines(said.local), abs=6e-4)
    squares = np.stack([numbers(at, "says global", what) for what in ("text", "z")])
    (run,) = session.training.ledger.runs()  # type: ignore[union-attr]
    go(at, COMPARE)
    beside = np.stack([numbers(at, f"dropout {run.id}", what) for what in ("text", "z")])
    assert beside == pytest.approx(squares, abs=2e-3), "the same cosines in the same colours"
    go(at, PROMPTS)
    on_tests = testing.figures(
        session, resources.backbone(), [(p, n) for n, ps in session.photos.tests().items() for p in ps]
    )
    assert numbers(at, "looks 1", "z").ravel() == pytest.approx(100 * on_tests.looks[1])
    assert on_tests.looks.sum(axis=1) == pytest.approx([5, 10, 15, 16]), "k regions a photo; the grid has 16"
    assert numbers(at, "overlap") == pytest.approx(on_tests.overlap, abs=6e-3)
    worth = table(at, "right alone")
    assert list(worth["prompt"]) == [f"{branch} {i}" for branch in ("global", "local") for i in (1, 2, 3, 4)]
    assert [int(cell.split()[0]) for cell in worth["right alone"]] == [each.alone for each in on_tests.worths]
    assert "The head also answers each time" in everything(at)
    before = numbers(at, "looks 1", "z")
    assert "so the figures are optimistic" in everything(put(at, "prompts pile", "Training photos"))
    assert (numbers(at, "looks 1", "z") != before).any()


def test_a_model_that_was_opened_asks_for_photos_and_offers_none_it_learned_from(tiny_app: Open) -> None:
    at = taught(tiny_app)
    session = session_of(at)
    backbone = resources.backbone()
    model = GalLoPClassifier(backbone=backbone, cache=False).zero_shot(["red", "green"])
    session.training.adopt(export.imported(session, model, backbone))
    assert "6 photos" in everything(fine(at.run()))
    assert not at.radio, "nothing to choose between"
    session.photos.deck.delete(session.photos.deck.cards[0].id)
    session.photos.deck.delete(session.photos.deck.cards[0].id)
    fine(at.run())
    assert "No matching photos yet" in at.info[0].value
    assert not at.get("plotly_chart")


def test_k_moves_the_places_and_not_what_is_said(tiny_app: Open) -> None:
    at = taught(tiny_app)
    looks, said = numbers(at, "looks 0", "z"), numbers(at, "says local")
    at = go(at, TEACH)
    at = go(fine(at.number_input(key="teach scales 0").set_value(1).run()), PROMPTS)
    assert numbers(at, "looks 0", "z").sum() == pytest.approx(100)
    assert looks.sum() == pytest.approx(500)
    assert (numbers(at, "says local") == said).all()


def test_one_global_prompt_and_no_local_one_leave_nothing_to_compare(tiny_app: Open) -> None:
    at = taught(tiny_app, global_prompts=1, topk=())
    shown = everything(at)
    for words in (
        "There is only one, with nothing to compare",
        "There are none",
        "no local prompts",
        "it cannot be left out",
    ):
        assert words in shown
    assert (list(table(at, "right alone")["right without it"]), len(table(at, "token 1"))) == ([""], 1)


def test_one_photo_of_one_class_is_enough_to_draw_the_page(tiny_app: Open) -> None:
    at = taught(tiny_app, tests=0, counts={"red": 1, "green": 1}, topk=(4,))
    assert "2 photos" in everything(at)
    session = session_of(at)
    assert session.training.taught is not None
    photo, name = session.training.taught.learned[0]
    assert testing.figures(session, resources.backbone(), [(photo, name)]).accuracy.of == 1


def test_a_prompt_that_tells_no_classes_apart_is_called_dead(tiny_app: Open) -> None:
    at = taught(tiny_app, epochs=6)
    session = session_of(at)
    assert session.training.taught is not None
    model = session.training.taught.after.model_
    shown = at.warning[0].value if at.warning else ""
    assert "A dead prompt hardly separates the classes" in everything(at)
    # All classes get one text from local prompt 2: it cannot tell them apart.
    text = model.cached_text_features().local
    text[:, 1] = text[0, 1].clone()
    session.answers._similarities.clear()
    session.answers._figures.clear()
    fine(at.run())
    assert "**local 2** has an influence of 0.00" in at.warning[0].value
    assert "local 2" not in shown
    assert table(at, "dead").set_index("prompt")["dead"]["local 2"]
    assert model is session.training.taught.after.model_


def test_nearest_words_are_shown_for_every_token(tiny_app: Open) -> None:
    at = taught(tiny_app, epochs=1)
    words = table(at, "token 1")
    assert [words[f"token {i}"][0].split()[0] for i in (1, 2, 3, 4)] == ["a", "photo", "of", "a"], "hardly moved"
    assert "These words mean little" in everything(at)
