"""The sample project in the app: one click fills every page and loses nothing of a visitor's, one empties them."""

from __future__ import annotations

from threading import Event
from typing import Any
from unittest import mock

import pytest
from streamlit.testing.v1 import AppTest

import gallop.backbones
from app.jobs import JobManager
from app.runs.store import MACHINE
from app.text import percent
from app.ui import resources
from app.views.saved_project import SAMPLE, is_there, sample_run
from app.visitor.training import VisitorTraining
from gallop import load_image
from gallop.backbones.loading import load_backbone
from tests.app_pages import (
    EXPLORE,
    METHOD,
    PAGES,
    PROMPTS,
    SORT,
    TEACH,
    TEST,
    Open,
    answer,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    png,
    restart,
    runs_of,
    session_of,
    taught_of,
    there,
)
from tests.conftest import ROOT

OFFER = "Load a sample project"

needs_mini = pytest.mark.skipif(
    not (ROOT / "checkpoints" / "mini" / "mini.safetensors").is_file(), reason="the weights of mini are not here"
)


@pytest.fixture
def app(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> Open:
    """The app in this process, with ``mini`` itself."""
    monkeypatch.setattr(gallop.backbones, "load_backbone", load_backbone)
    return tiny_app


def offered(at: AppTest) -> bool:
    return any(found.label == OFFER for found in at.button)


def take(at: AppTest) -> AppTest:
    return fine(button(at, OFFER).click().run())


@pytest.mark.slow
@needs_mini
def test_the_samples_photos_are_encoded_once_explore_has_answered_and_then_no_page_starts_a_job(
    app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def answered(training: VisitorTraining, *_: Any) -> None:
        asked.append(bool(training._pending))

    with monkeypatch.context() as patch:
        patch.setattr(VisitorTraining, "encode_ahead", answered)
        at = take(fine(app()))
    assert (answer(at) != "", asked[-1]) == (True, True), "after the page, and no part of it"
    fine(at.run())
    assert session_of(at).training._encoding is not None
    monkeypatch.setattr(JobManager, "submit", mock.Mock(side_effect=AssertionError("a job")))
    for page in PAGES:
        go(at, page)


@pytest.mark.slow
@needs_mini
def test_one_click_on_an_empty_page_fills_them_all(app: Open) -> None:
    at = fine(app())
    for page in PAGES:
        labels = [found.label for found in go(at, page).button]
        assert ("Try it with sample photos" if page == SORT else OFFER) in labels, page
        assert ("Start here" in everything(at)) != (page in (EXPLORE, METHOD)), page  # they have a photo to look at
    take(go(at, TEST))
    for page in PAGES:
        assert not offered(go(at, page)), page
        assert ("Start here" not in everything(at), [error.value for error in at.error]) == (True, []), page
    # What is shown is what was kept when the model was taught: of zero-shot and of the run.
    run = sample_run()
    right = [answer.right for answer in run.answers.values() if not answer.seen]
    assert f"{100 * sum(right) / len(right):.0f} %" in everything(go(at, TEST))
    assert session_of(at).training.stale() == [], "the cards are those that the model was taught with"
    shown = list(session_of(go(at, EXPLORE)).photos.shelf.photos)
    assert answer(at) == f"{run.answers[shown[-1]].truth}: {percent(run.answers[shown[-1]].probability)}"
    assert [said[shown[0]].right for said in (run.answers_before, run.answers)] == [False, True], (
        "teaching has mended it"
    )
    names = {card.name: (len(card.shots), len(card.tests)) for card in session_of(at).photos.deck.cards}
    assert (set(names.values()), tuple(names)) == ({(8, 6)}, run.class_names)
    assert not go(at, TEACH).warning, "no two photos are alike"
    drawn = [chart.proto.id for chart in at.get("plotly_chart")]
    assert not [key for key in drawn if "kept prompts" in key], "an opened run has no lots, and no empty chart"


@pytest.mark.slow
@needs_mini
def test_while_its_backbone_is_loaded_every_page_says_so_and_then_is_full(
    app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, may_load = gallop.backbones.load_backbone, Event()

    def waiting(*words: Any, **named: Any) -> Any:
        assert may_load.wait(120)
        return load(*words, **named)

    monkeypatch.setattr(gallop.backbones, "load_backbone", waiting)
    monkeypatch.setattr(resources, "PAGE_PATIENCE", 0.05)
    at = take(go(fine(app()), TEST))
    for page in PAGES:
        go(at, page)
        assert any(found.label == "Cancel this" for found in at.button), page
    may_load.set()
    assert session_of(finish(at)).training.taught is not None
    assert "Start here" not in everything(go(at, TEST))


@pytest.mark.slow
@needs_mini
def test_training_again_on_the_sample_gives_the_prompts_that_come_with_it(app: Open) -> None:
    at = take(go(fine(app()), TEACH))
    session = session_of(at)
    shipped = taught_of(at).answers
    session.training.start(resources.jobs(), resources.backbones())
    finish(fine(at.run()), 240)
    again = taught_of(at)
    assert again.steps == again.of_steps
    near = {key: (said.label, pytest.approx(said.probability, abs=0.01)) for key, said in shipped.items()}
    assert {key: (said.label, said.probability) for key, said in again.answers.items()} == near


@pytest.mark.slow
@needs_mini
def test_its_run_is_there_once_and_all_else_of_it_goes_at_a_click(app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "owner_of", lambda address, token: MACHINE)
    take(go(fine(app()), TEACH))
    restart()
    at = take(go(fine(app()), PROMPTS))
    ledger = there(session_of(at).training.ledger)
    ledger.rename(ledger.runs()[0].id, "mine now")
    fine(button(go(at, TEACH), "Remove everything").click().run())
    take(go(at, PROMPTS))
    assert [run.name for run in there(session_of(at).training.ledger).runs()] == ["mine now"]


def test_photos_to_look_at_stay_beside_those_of_the_sample(tiny_app: Open) -> None:
    at = fine(tiny_app())
    session_of(at).photos.shelf.add([load_image(png(77), name="mine")])
    session_of(at).photos.unknown.add([load_image(png(78), name="mine too")])
    take(go(at, TEACH))
    photos = session_of(at).photos
    assert [next(iter(shelf.photos.values())).name for shelf in (photos.shelf, photos.unknown)] == ["mine", "mine too"]
    assert [len(card.all) for card in photos.deck.cards] == [14] * 4


def test_cards_of_ones_own_are_never_mixed_with_it(tiny_app: Open) -> None:
    at = go(fine(tiny_app()), TEACH)
    clicked = button(at, OFFER)
    cards(at, {"red": 1})  # in another tab, just before
    fine(clicked.click().run())
    assert [card.name for card in session_of(at).photos.deck.cards] == ["red"]
    assert [page for page in PAGES if offered(go(at, page))] == []


def test_on_another_backbone_there_are_the_photos_and_a_sentence(tiny_app: Open) -> None:
    """Here a tiny one is called mini."""
    at = take(go(fine(tiny_app()), TEACH))
    session = session_of(at)
    assert (is_there(session), session.training.taught) == (True, None)
    (error,) = at.error
    assert "This model was trained on different weights" in error.value
    assert [run.name for run in runs_of(at)] == [SAMPLE]
