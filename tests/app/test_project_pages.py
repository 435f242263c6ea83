"""A project saved and opened in the app: another browser has the same pages, and what is here is not lost unasked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.photos.archives import CardPlace, Member
from app.ui import resources
from app.views.saved_project import project_of
from gallop import load_image
from gallop.data.project_file import ProjectRun, project_file
from tests.app_pages import (
    EXPLORE,
    PROMPTS,
    RUNS,
    TAKEN_AWAY,
    TEACH,
    TEST,
    Open,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    hold,
    png,
    restart,
    session_of,
    taught_of,
    there,
    train,
    uploader,
)
from tests.tiny import members_of

PAGES = (EXPLORE, TEST, PROMPTS, RUNS, TAKEN_AWAY)


def saved(at: AppTest) -> bytes:
    return project_file(project_of(session_of(at)))


def manifest(data: bytes) -> dict[str, Any]:
    return dict(json.loads(members_of(data)["project.json"]))


def read(at: AppTest, data: bytes) -> AppTest:
    """What dropping a project's file onto the menu *Project* does."""
    return finish(fine(uploader(go(at, TEACH), "Open a project").upload("shop.zip", data, "application/zip").run()))


def saying(run: ProjectRun, **changes: str) -> ProjectRun:
    """The run, of which the checkpoint says something else."""
    settings = json.loads(run.files["gallop.json"]) | changes
    return replace(run, files={**run.files, "gallop.json": json.dumps(settings).encode()})


def plain(found: Any) -> str:
    """What an element says, as it is shown."""
    return str(found.value.replace("\\", ""))


def taught_app(open_app: Open, **settings: Any) -> AppTest:
    """Two classes, taught; photos of neither, one to look at, and a limit set by hand."""
    at = cards(fine(open_app()), {"red": 3, "green": 2}, tests=2, **settings)
    session = session_of(at)
    session.photos.unknown.add([load_image(png(500, "blue"), name="no class.png")])
    session.photos.shelf.add([load_image(png(501, "red", (90, 60)), name="look.png")])
    train(at)
    session.limit.set_to(-0.7)
    return go(at, TEACH)  # which shows a photo, and remembers which


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    return taught_app(tiny_app)


@pytest.mark.slow
def test_another_browser_has_the_same_pages_and_saves_the_same_file(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Which photos a label is doubted of is known to the training itself alone: a run that was opened has no held out.
    at = taught_app(tiny_app, dropout=0.5, calibration_folds=0)
    mine = session_of(at)
    words = {page: everything(go(at, page)) for page in PAGES}
    data, stale = saved(at), mine.training.stale()
    monkeypatch.setenv("GALLOP_DATA", str(tmp_path_factory.mktemp("elsewhere")))  # another browser on another machine
    restart()
    other = read(fine(tiny_app()), data)
    session = session_of(other)
    assert not other.error
    assert any("Opened shop.zip: 2 classes, 11 photos, 1 run." in plain(found) for found in other.success)
    assert sum("Opened shop.zip" in plain(found) for found in other.success) == 1, "said once"
    assert (manifest(saved(other)), saved(other)) == (manifest(data), data)
    taught, before = taught_of(other), there(mine.training.taught)
    assert (taught.answers, taught.answers_before) == (before.answers, before.answers_before)
    assert [point.step for point in taught.history] == [point.step for point in before.history]
    assert (session.training.settings, session.training.stale()) == (mine.training.settings, stale)
    assert session.limit.custom == -0.7
    for page in PAGES:
        assert everything(go(other, page)) == words[page], page


def test_the_runs_of_a_project_are_those_about_its_photos(at: AppTest) -> None:
    session = session_of(at)
    session.photos.deck.lay_out((), "began again")
    first = saved(cards(at, {"blue": 2, "yellow": 2}))
    train(at)
    kept = there(session.training.ledger)
    newest, _ = kept.runs()
    project = project_of(session)
    assert ([each.name for each in project.runs], project.taught) == ([newest.name], 0)
    assert saved(at) != first
    kept.delete(newest.id)
    assert [each.name for each in project_of(session).runs] == ["Taught"], "it answers, so it goes along"


def test_what_is_here_is_replaced_only_when_that_is_said(at: AppTest, tiny_app: Open) -> None:
    data = saved(at)
    restart()
    at = fine(tiny_app())
    session = session_of(at)
    session.photos.deck.add_photos([Member(CardPlace("red", False, "mine.png"), png(900, "red"))])
    before = session.photos.deck.cards
    read(at, data)
    assert (session.photos.deck.cards, session.training.taught) == (before, None)
    fine(button(at, "Cancel").click().run())
    assert (session.photos.deck.cards, [found for found in at.button if found.label == "Replace"]) == (before, [])
    finish(fine(button(read(at, data), "Replace").click().run()))
    assert manifest(saved(at)) == manifest(data)
    assert len(there(session.training.ledger).runs()) == 1, "it was there already"
    fine(button(go(at, TEACH), "Undo").click().run())
    assert session.photos.deck.cards == before


def test_a_file_that_is_none_is_told_and_nothing_is_lost(at: AppTest) -> None:
    data = saved(at)
    read(at, data[: len(data) // 2])
    assert ([plain(found).startswith("shop.zip is not a zip") for found in at.error], saved(at)) == ([True], data)
    assert not fine(at.run()).error, "it is told once"


def test_a_click_on_replace_that_comes_too_late_or_during_a_training_loses_nothing(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, data, before = session_of(at), saved(at), session_of(at).photos.deck.cards
    click = button(read(at, data), "Replace")
    session.asked = None  # answered in another tab, just before
    fine(click.click().run())
    assert session.photos.deck.cards == before
    click = button(read(at, data), "Replace")
    hold(monkeypatch, lambda _: True)
    session.training.start(resources.jobs(), resources.backbones())
    fine(click.click().run())
    assert [found.value.startswith("Training is in progress") for found in at.error] == [True]
    assert session.photos.deck.cards == before
    there(session.training.job).cancel()
    finish(at)


def test_another_machine_without_the_backbone_has_all_but_the_model(at: AppTest, tiny_app: Open) -> None:
    project = project_of(session_of(at))
    (kept,) = project.runs
    strange = saying(kept, backbone="ViT-XYZ", fingerprint="f" * 64)
    restart()
    at = read(fine(tiny_app()), project_file(replace(project, runs=(strange,), backbone_name="ViT-XYZ")))
    (error,) = at.error
    assert re.search("Opened shop.zip.*backbone ViT-XYZ, which is not available", plain(error), re.DOTALL)
    training, deck = session_of(at).training, session_of(at).photos.deck
    assert (training.taught, training.backbone_name, len(deck.cards)) == (None, "mini", 2)
    for page in PAGES:
        go(at, page)


def test_a_model_of_other_weights_is_trained_again_from_the_projects_photos(at: AppTest, tiny_app: Open) -> None:
    project = project_of(session_of(at))
    (kept,) = project.runs
    restart()
    at = read(fine(tiny_app()), project_file(replace(project, runs=(saying(kept, fingerprint="0" * 64),))))
    assert ["different weights" in plain(error) for error in at.error] == [True]
    assert session_of(at).training.taught is None
    assert plain(at.error[0]).endswith("To learn from its photos, train on Teach.")
    train(at)
    assert taught_of(at).names == ("green", "red")
