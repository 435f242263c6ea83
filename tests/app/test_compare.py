"""The page Compare in this process: every state, and numbers that change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import text
from app.runs.run import FACTS, FORMAT, Run
from app.runs.store import MACHINE, Ledger
from app.shared_backbones import BackboneLoading
from app.teaching.tasks import Teaching
from app.teaching.training import WatchedPhoto
from app.ui import projects, resources
from app.visitor.session import Session, Where
from tests import tiny
from tests.app.test_jobs import wait
from tests.app.test_run_store import no_room
from tests.app.test_teaching import SETTINGS, SHOTS
from tests.app_pages import (
    EXPLORE,
    HOSTILE,
    RUNS,
    TEACH,
    Open,
    button,
    cards,
    everything,
    fine,
    finish,
    followed,
    go,
    hold,
    learning,
    metric,
    restart,
    runs_of,
    session_of,
    table,
    taught_of,
    there,
    train,
)


def trained(open_app: Open, **settings: Any) -> AppTest:
    return go(train(cards(fine(open_app()), {"red": 3, "green": 3}, tests=3, **settings)), RUNS)


OTHER = {"red": "green", "green": "red"}


def share(run: Run) -> float:
    """Of the test photos that were answered, in percent, those that are right."""
    return 100 * float(np.mean([found.right for found in run.answers.values() if not found.seen]))


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    return trained(tiny_app)


def test_the_page_says_whose_runs_these_are(tiny_app: Open, monkeypatch: Any) -> None:
    assert "deleted a few minutes after you close the page" in everything(trained(tiny_app))
    monkeypatch.setattr(resources, "owner_of", lambda address, token: MACHINE)
    restart()
    assert "for everybody who opens this app on it" in everything(trained(tiny_app))


def test_every_training_is_a_run_a_cancelled_one_too(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = trained(tiny_app, epochs=2)
    assert [line["run"] for line in table(at, "zero-shot")] == ["run 1"]
    session = session_of(at)
    session.training.settings = replace(session.training.settings, epochs=6, lr=0.001)
    hold(monkeypatch, learning)
    session.training.start(resources.jobs(), resources.backbones())
    job = there(session.training.job)
    wait(job, lambda snapshot: snapshot.progress is not None and learning(snapshot.progress))
    job.cancel()
    finish(fine(at.run()))
    kept, first = runs_of(at)
    assert [line["run"] for line in table(at, "zero-shot")] == [
        "run 2, 6 epochs, learning rate 0.001 (cancelled)",
        "run 1",
    ]
    assert (kept.steps, kept.of_steps) == (3, 6)
    before = np.mean([found.right for digest, found in first.answers_before.items() if not found.seen])
    assert table(at, "zero-shot")[1]["zero-shot"].startswith(f"{6 * before:.0f} of 6 right")


def test_two_pinned_runs_differ_in_what_was_set_and_in_their_figures(at: AppTest) -> None:
    session = session_of(at)
    session.training.settings = replace(session.training.settings, lr=0.5, epochs=5)
    go(train(at), RUNS)
    # The new one beside the one before it.
    assert [at.selectbox(key=f"compare pin_{side}").value for side in "ab"] == [2, 1]
    assert [(line["what"], line["A"], line["B"]) for line in table(at, "what")] == [
        ("steps", "5", "2"),
        ("rounds", "5", "2"),
        ("learning rate", "0.5", "0.1"),
    ]
    first, second = (float(metric(at, f"{label}: ").value.split()[0]) for label in "AB")
    assert [first, second] == pytest.approx([share(run) for run in runs_of(at)], abs=0.06)
    assert "A and B get the same test photos right" in everything(at) or "Only A is right on" in everything(at)
    # The other way round: figures change places.
    at.selectbox(key="compare pin_a").set_value(1)
    fine(at.selectbox(key="compare pin_b").set_value(2).run())
    assert float(metric(at, "A: ").value.split()[0]) == second
    # Zero-shot is that of A.
    fine(at.selectbox(key="compare pin_b").set_value(0).run())
    assert float(metric(at, "B: Zero-shot").value.split()[0]) == pytest.approx(
        100 * np.mean([found.right for found in runs_of(at)[1].answers_before.values() if not found.seen]), abs=0.06
    )


def test_the_newest_run_with_figures_is_pinned_at_first_and_the_better_is_ahead_by_the_difference(
    tiny_app: Open,
) -> None:
    at = train(cards(fine(tiny_app()), {"red": 2, "green": 2}, tests=2))
    training = session_of(at).training
    (tested,), ledger = runs_of(at), there(training.ledger)
    ledger.save(replace(there(training.taught), answers={}, answers_before={}), "from a file")
    at = go(at, RUNS)
    assert (at.selectbox(key="compare pin_a").value, len(runs_of(at))) == (tested.id, 2)
    assert "right on 4 test photos" in everything(at)
    at = train(at)
    assert at.selectbox(key="compare pin_a").value == max(run.id for run in runs_of(at)) > tested.id, "it follows"
    taught = there(training.taught)
    for guess in ("wrong", "right"):
        answers = {
            d: replace(one, label=one.truth if guess == "right" else OTHER[one.truth])
            for d, one in taught.answers.items()
        }
        ledger.save(replace(taught, answers=answers), guess)
    right, wrong = (run.id for run in runs_of(go(at, RUNS))[:2])
    for a, b, gain in ((right, wrong, "+100.0 points vs B"), (wrong, right, "-100.0 points vs B")):
        at.selectbox(key="compare pin_a").set_value(a)
        fine(at.selectbox(key="compare pin_b").set_value(b).run())
        assert metric(at, "A: ").delta == gain


def test_photos_that_flipped_are_listed(tiny_app: Open) -> None:
    at = trained(tiny_app, epochs=30, lr=0.5, topk=(2, 4))
    run, session = runs_of(at)[0], session_of(at)
    different = {d for d, found in run.answers.items() if found.label != run.answers_before[d].label}
    assert different, "this training changes some answers"
    assert len(table(at, "really")) == len(different)
    assert {line["photo"] for line in table(at, "really")} <= {
        p.name for c in session.photos.deck.cards for p in c.tests + c.shots
    }
    # Without the photos the answers stay, and no picture is made up.
    session.photos.deck.cards = ()
    assert all(line["photo"].startswith("not here") for line in table(fine(at.run()), "really"))
    assert "A run stores no photos" in everything(at)


def test_a_run_is_renamed_exported_opened_and_deleted(at: AppTest) -> None:
    (run,) = runs_of(at)
    fine(at.text_input(key=f"name of 1 {run.made}").set_value(HOSTILE[0]).run())
    assert HOSTILE[0] in [line["run"] for line in table(at, "zero-shot")]
    assert "![x](" not in everything(at)

    # A second training, then the first one is opened again: it answers on Explore.
    session = session_of(at)
    first = taught_of(at).after
    session.training.settings = replace(session.training.settings, lr=0.7, epochs=6)
    go(train(at), RUNS)
    second = taught_of(at).after
    fine(at.selectbox(key="compare pin_a").set_value(run.id).run())
    assert "is in use: green and red." in everything(fine(at.button(key=f"open run {run.id}").click().run()))
    opened = taught_of(at).after
    probe = [tiny.picture(70, "red"), tiny.picture(71, "green")]
    assert np.array_equal(opened.predict_proba(probe), first.predict_proba(probe))
    assert not np.array_equal(opened.predict_proba(probe), second.predict_proba(probe))
    assert "Where a local prompt looks" not in everything(go(at, TEACH)), "a run that was opened keeps no maps"
    go(at, EXPLORE)
    assert at.text_area(key="explore names").value.split("\n") == list(opened.model_.class_names)
    fine(button(go(at, RUNS), "Delete it").click().run())
    assert [left.id for left in runs_of(at)] == [2]


def test_the_name_of_what_waits_for_its_backbone_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    session, loading = Session(), BackboneLoading("It is being loaded.", "mini")
    monkeypatch.setattr(projects, "holding", mock.Mock(side_effect=loading))
    with mock.patch.object(session.page_jobs, "start") as start:
        projects.open_model(session, {"gallop.json": b"{}"}, HOSTILE[0], Where.RUNS)  # waits for its backbone
    assert start.call_args.args[-1] == f"Opening {text.markdown(HOSTILE[0])} with its backbone"


def test_no_photo_and_no_token_is_in_the_files(at: AppTest, tmp_path: Path) -> None:
    photos = [photo for card in session_of(at).photos.deck.cards for photo in card.shots]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data" / "runs").rglob("*") if path.is_file())
    assert photos[0].sha256.encode() in kept
    secrets = [
        *(photos[0].image.tobytes()[:64], photos[0].name.encode(), at.session_state[resources.STATE].encode()),
        *(b"\x89PNG", b"\xff\xd8\xff\xe0\x00\x10JFIF"),  # three bytes alone are there by chance
    ]
    assert [secret for secret in secrets if secret in kept] == []


def test_runs_on_a_full_disk_are_shown_and_told(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "owner_of", lambda address, token: MACHINE)
    trained(tiny_app)
    monkeypatch.setattr("app.runs.store.locked", no_room)
    restart()
    at = go(fine(tiny_app()), RUNS)
    assert [line["run"] for line in table(at, "zero-shot")] == ["run 1"]
    assert "No space left" in fine(button(at, "Delete it").click().run()).error[0].value


def test_a_run_of_a_newer_version_is_told(tiny_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "owner_of", lambda address, token: MACHINE)
    at = trained(tiny_app)
    (facts,) = (tmp_path / "data").rglob(FACTS)
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"format": FORMAT + 1}))
    go(at, RUNS)
    assert "saved by a newer version" in at.warning[0].value.replace("\\", "")
    assert not at.dataframe


def test_a_ledger_that_cannot_keep_a_training_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "add", mock.Mock(side_effect=[OSError("No space left on device"), 1]))
    monkeypatch.setattr(Ledger, "runs", lambda _: [])
    ledger = Ledger(Path(), "me")
    recorded = Teaching(tiny.vit(), None, SHOTS, {}, SETTINGS, WatchedPhoto(), ledger.save)
    assert followed(recorded.run())[1] is not None
    assert "No space left" in ledger.problem
    list(recorded.run())
    assert ledger.problem == "", "of the last training"


def test_each_run_names_its_project_and_those_of_the_open_one_come_first(at: AppTest) -> None:
    assert [line["project"] for line in table(at, "zero-shot")] == ["project red green"]
    session = session_of(at)
    session.photos.deck.lay_out((), "began again")
    session.photos.project = "shop"
    go(train(cards(at, {"blue": 2, "yellow": 2}, tests=1)), RUNS)
    assert [line["project"] for line in table(at, "zero-shot")] == ["shop", "project red green"]
    while not session.photos.deck.find("red"):
        session.photos.undo()
    go(at, RUNS)
    assert [line["run"] for line in table(at, "zero-shot")] == ["run 1", "run 2"]
    assert at.selectbox(key="compare pin_a").value == 1
