"""Two backbones in one visit: each has its own answers, prompts, runs and exports, and none is mistaken."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from streamlit.testing.v1 import AppTest

import gallop.backbones
from app.options import Options
from app.runs.run import backbone_of, model_zip
from app.runs.store import MACHINE
from app.shared_backbones import BackboneProblem, BackboneRoom
from app.ui import resources
from gallop.backbones import Backbone
from gallop.errors import BackboneError
from tests import tiny
from tests.app_pages import (
    EXPLORE,
    RUNS,
    TAKEN_AWAY,
    TEACH,
    TEST,
    Open,
    again,
    answer,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    png,
    put,
    restart,
    session_of,
    table,
    taught_of,
    there,
    train,
    unsaid,
    uploader,
    with_photo,
)
from tests.until import until

COLOURS = {"red": 3, "green": 3}
LOADED = {"mini": tiny.new_vit, "other": tiny.other_vit}


@pytest.fixture
def two(tiny_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """The app with a second backbone, ``other``, which whoever starts it has named."""
    monkeypatch.setattr(gallop.backbones, "load_backbone", lambda name, **_: LOADED.get(name, tiny.other_vit)())
    room = BackboneRoom(Options((str(tiny.backbone_folder(tmp_path / "other")),), precision="fp32"))
    monkeypatch.setattr(resources.shared, "backbones", room)
    monkeypatch.setattr(resources, "owner_of", lambda address, token: MACHINE)
    yield tiny_app
    room.close()


@pytest.fixture
def at(two: Open) -> AppTest:
    """The app with photos on its cards."""
    return cards(fine(two()), COLOURS)


def choose(at: AppTest, name: str) -> AppTest:
    """Choose a backbone; where a short training was set for the last one, this one gets the same."""
    session = session_of(at)
    settings = session.training.settings
    fine(at.selectbox(key="backbones chosen").set_value(name).run())
    if settings.epochs == 2:
        session.training.settings = settings
        session.form_of = None
    return at


def test_the_choice_is_small_there_and_says_what_computes(two: Open) -> None:
    chosen = fine(two()).selectbox(key="backbones chosen")
    assert (chosen.value, chosen.options) == ("mini", ["mini", "other", "other (query-query)"])
    at = with_photo(two)
    assert not unsaid(at, "computes on cpu, fp32; 224 pixels; 14 x 14 regions")
    at.session_state["more backbones"] = True
    assert not unsaid(fine(at.run()), "was started without --allow-downloads", "ViT-B-16/openai")


def test_a_training_that_ends_after_another_backbone_was_chosen_stays_with_its_own_and_so_do_its_settings(
    at: AppTest,
) -> None:
    session = session_of(at)
    session.training.start(resources.jobs(), resources.backbones())
    finish(choose(at, "other"))
    assert (session.training.taught, session.training.elsewhere) == (None, ["mini"])
    assert "It was trained on mini. Choose that backbone to use it." in there(session.training.outcome)[1]
    choose(at, "mini")
    assert "Choose that backbone" not in there(session.training.outcome)[1]
    taught, mine = taught_of(at), session.training.settings
    session.training.backbone_name = "other"
    other = session.training.settings
    session.training.adopt(replace(taught, settings=replace(mine, epochs=7)))
    assert (session.training.backbone_name, session.training.settings.epochs) == ("mini", 7)
    session.training.backbone_name = "other"
    assert session.training.settings == other


def test_how_a_training_ended_is_told_with_its_own_backbone(at: AppTest) -> None:
    assert "steps on 6 photos" in everything(train(go(at, TEACH)))
    assert "steps on 6 photos" not in everything(choose(at, "other"))
    assert "steps on 6 photos" in everything(choose(at, "mini"))


def test_train_is_heard_where_its_visitor_has_gone_on_to_another_page_with_the_settings_of_the_click(
    at: AppTest,
) -> None:
    button(go(at, TEACH), "Train").click()
    at.switch_page(TEST)  # one request then takes both to the server
    fine(at.run())
    assert session_of(at).training.job is not None or session_of(at).training.taught is not None
    assert session_of(finish(at)).training.taught is not None
    put(go(at, TEACH), "teach way", "Custom")
    at.number_input(key="teach settings epochs").set_value(3)
    assert taught_of(finish(fine(button(at, "Train").click().run()))).settings.epochs == 3


@pytest.mark.slow
def test_runs_know_their_backbone_and_open_with_it(two: Open) -> None:
    at = cards(fine(two()), COLOURS, tests=2)
    go(train(choose(go(train(at), TEACH), "other")), RUNS)
    theirs, mine = there(session_of(at).training.ledger).runs()
    assert [(run.backbone_name, run.fingerprint) for run in (mine, theirs)] == [
        ("mini", tiny.new_vit().fingerprint),
        ("other", tiny.other_vit().fingerprint),
    ]
    assert session_of(at).training.backbone_name == "other"
    assert "It answers with the backbone it was trained on, other." in button(at, "Open A").help
    fine(at.selectbox(key="compare pin_a").set_value(mine.id).run())
    assert "It answers with the backbone it was trained on, mini." in button(at, "Open A").help
    assert session_of(fine(button(at, "Open A").click().run())).training.backbone_name == "mini"
    assert taught_of(at).after.model_.backbone.fingerprint == tiny.new_vit().fingerprint
    go(at, EXPLORE)
    assert at.selectbox(key="backbones chosen").value == "mini"


@pytest.mark.slow
def test_figures_of_two_backbones_are_never_beside_each_other_without_a_word(two: Open) -> None:
    at = cards(fine(two()), COLOURS, tests=2)
    go(train(at), RUNS)
    choose(go(at, TEACH), "other")
    go(train(at), RUNS)
    assert [line["backbone"] for line in table(at, "zero-shot")] == ["other", "mini"]
    assert {line["what"]: (line["A"], line["B"]) for line in table(at, "what")}["backbone"] == ("other", "mini")


def test_a_run_of_a_backbone_that_is_gone_is_a_sentence_and_stays_and_opens_as_soon_as_its_backbone_is_loaded(
    at: AppTest, two: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(choose(at, "other"))
    options = resources.backbones().options
    restart()
    monkeypatch.setattr(resources.shared, "backbones", BackboneRoom(Options()))
    at = go(fine(two()), RUNS)
    assert len(table(at, "run")) == 1
    fine(button(at, "Open A").click().run())
    told = " ".join(error.value.replace("\\", "") for error in at.error)
    assert "was trained with the backbone other, which is not available on this machine." in told
    assert session_of(at).training.taught is None

    restart()
    monkeypatch.setattr(resources.shared, "backbones", BackboneRoom(options))
    monkeypatch.setattr(resources, "PAGE_PATIENCE", 0.0)
    gate, load = threading.Event(), gallop.backbones.load_backbone

    def gated(source: str, **rest: Any) -> Backbone:
        assert source == "mini" or gate.wait(60)  # Compare asks for the run's backbone too, for its prompts and maps
        return load(source, **rest)

    monkeypatch.setattr(gallop.backbones, "load_backbone", gated)
    at = go(fine(two()), RUNS)
    until(lambda: any(found.label == "Open A" for found in again(at).button))
    fine(button(at, "Open A").click().run())
    assert session_of(at).page_jobs.running is not None, "no page waits for a backbone"
    gate.set()
    assert taught_of(finish(at)).backbone_name == session_of(at).training.backbone_name == "other"


def test_a_models_zip_opens_on_its_own_backbone(at: AppTest, tmp_path: Path) -> None:
    ledger = there(session_of(train(choose(at, "other"))).training.ledger)
    files = ledger.files(ledger.runs()[0].id)
    assert json.loads(files["gallop.json"])["backbone"] == "other", "and no path of this machine"
    go(choose(go(at, EXPLORE), "mini"), TAKEN_AWAY)
    fine(uploader(go(at, TEACH), "Open a model").upload("model.zip", model_zip(files)).run())
    assert any("model.zip is in use: green and red." in found.value.replace("\\", "") for found in at.success)
    assert session_of(at).training.backbone_name == "other"
    # By its weights, which were loaded; of unknown weights no path is opened.
    evil = files["gallop.json"].replace(b'"other"', b'"/etc/passwd"')
    assert backbone_of(resources.backbones(), {"gallop.json": evil}) == "other"
    with pytest.raises(BackboneProblem, match="backbone /etc/passwd, which is not available"):
        backbone_of(resources.backbones(), {"gallop.json": b'{"backbone": "/etc/passwd", "fingerprint": "x"}'})


def test_a_backbone_that_cannot_be_loaded_and_a_gpu_that_is_too_small_are_sentences_and_the_page_goes_on(
    two: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = with_photo(two, "red\ngreen")
    failing = mock.Mock(side_effect=BackboneError("The weights do not fit."))
    monkeypatch.setattr(gallop.backbones, "load_backbone", failing)
    choose(at, "other")
    assert [error.value.replace("\\", "") for error in at.error] == ["The weights do not fit."]
    monkeypatch.setattr(gallop.backbones, "load_backbone", lambda name, **_: tiny.other_vit())
    assert answer(fine(button(at, "Try again").click().run()))

    full = mock.Mock(side_effect=torch.OutOfMemoryError("CUDA out of memory"))
    monkeypatch.setattr(resources.backbone("other"), "encode_image", full)
    fine(uploader(at, "Upload photos").upload("second.png", png(77)).run())
    assert at.error[0].value.startswith("The GPU does not have enough memory")
    assert "The GPU does not have enough memory" in there(session_of(train(cards(at, COLOURS))).training.outcome)[1]
    assert answer(choose(go(at, EXPLORE), "mini"))
