"""The page Compare in this process: every state, and numbers that change."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import text
from app.backbones import BackboneLoading
from app.jobs import Counted, JobManager, PlainError, Steps
from app.runs.run import Run
from app.runs.store import FACTS, FORMAT, MACHINE, Ledger
from app.teaching.tasks import Teaching, in_series
from app.teaching.training import Watch
from app.ui import resources
from app.ui.explanation import current
from app.views import compare
from app.visitor.session import Session, Where
from tests import tiny
from tests.app.test_jobs import failing, wait
from tests.app.test_run_store import no_room
from tests.app.test_teaching import SETTINGS, SHOTS
from tests.app_pages import (
    COMPARE,
    EXPLORE,
    HOSTILE,
    TEACH,
    Open,
    answer,
    bars,
    button,
    cards,
    everything,
    fine,
    finish,
    go,
    grid,
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
    unsaid,
    with_photo,
)


def trained(open_app: Open, **settings: Any) -> AppTest:
    return go(train(cards(fine(open_app()), {"red": 3, "green": 3}, tests=3, **settings)), COMPARE)


def share(run: Run) -> float:
    """Of the test photos that were answered, in percent, those that are right."""
    return 100 * float(np.mean([found.right for found in run.answers.values() if not found.seen]))


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    return trained(tiny_app)


def test_the_page_says_whose_runs_these_are(tiny_app: Open, monkeypatch: Any) -> None:
    assert "deleted a few minutes after you close the page" in everything(go(fine(tiny_app()), COMPARE))
    monkeypatch.setattr(resources, "owner_of", lambda address, token: MACHINE)
    restart()
    assert "for everybody who opens this app on it" in everything(go(fine(tiny_app()), COMPARE))


def test_zero_shot_is_computed_at_once_and_coop_is_trained_on_demand(tiny_app: Open) -> None:
    at = go(cards(fine(tiny_app()), {"red": 3, "green": 3}, tests=3), COMPARE)
    zero, coop = table(at, "method")
    wanted = tiny.classifier(global_prompts=4, topk=(5, 10, 15, 20)).zero_shot(["red", "green"])
    right = np.mean([wanted.predict(some) == name for name, some in session_of(at).photos.tests().items()])
    assert zero["right"].startswith(f"{100 * right:.1f} % of 6")
    assert (coop["run"], coop["method"]) == ("CoOp", "not trained yet")
    finish(fine(button(at, "Train CoOp").click().run()))
    (run,) = runs_of(at)
    single = replace(run.settings, global_prompts=1, topk=(), dropout=0.0, head="none", global_projection=False)
    assert (run.method, run.settings) == ("CoOp", single), "whatever mini is taught with"
    assert [line["method"] for line in table(at, "method")] == ["zero-shot", "CoOp"]
    assert not [found for found in at.button if found.label == "Train CoOp"]


def test_every_training_is_a_run_a_cancelled_one_too(tiny_app: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at = trained(tiny_app, epochs=2)
    assert [line["run"] for line in table(at, "method")] == ["Zero-shot", "CoOp", "GalLoP 1"]
    session = session_of(at)
    session.training.settings = replace(session.training.settings, epochs=6, lr=0.001)
    hold(monkeypatch, learning)
    session.training.start(resources.jobs(), resources.backbones())
    job = there(session.training.job)
    wait(job, lambda snapshot: snapshot.progress is not None and learning(snapshot.progress))
    job.cancel()
    finish(fine(at.run()))
    methods = {line["run"]: line["method"] for line in table(at, "method")}
    kept = runs_of(at)[0]
    assert (methods["6 epochs, learning rate 0.001"], kept.steps, kept.of_steps) == ("GalLoP (cancelled)", 3, 6)


def test_three_dropouts_are_one_errand_and_stand_beside_each_other(tiny_app: Open) -> None:
    at = trained(tiny_app, global_prompts=4, dropout=0.75, epochs=4)
    assert [(line["run"], line["dropout"], line["kept"]) for line in table(at, "closest two")] == [
        ("GalLoP 1", "0.75", "1 of 4")
    ]
    at = finish(fine(button(at, "Train with dropout 0 and 0.5").click().run()))
    first, second, third = sorted(runs_of(at), key=lambda run: run.settings.dropout)
    assert [run.settings for run in (first, second, third)] == [
        replace(first.settings, dropout=dropout) for dropout in (0.0, 0.5, 0.75)
    ]
    assert not [found for found in at.button if found.label.startswith("Train with dropout")]
    lines = table(fine(at.selectbox(key="compare pin_a").set_value(third.id).run()), "closest two")
    assert [(line["dropout"], line["kept"]) for line in lines] == [
        ("0", "4 of 4"),
        ("0.5", "2 of 4"),
        ("0.75", "1 of 4"),
    ]
    session, backbone = session_of(at), resources.backbone()
    pairs = [(photo, name) for name, some in session.photos.tests().items() for photo in some]
    for run, line in zip((first, second, third), lines, strict=True):
        classifier = compare.classifier_of_run(session, backbone, run)
        said = [classifier.explain(photo) for photo, _ in pairs]
        alone = np.array([found.global_scores.argmax(axis=0) for found in said])  # (B, M)
        truth = np.array([classifier.classes_.tolist().index(name) for _, name in pairs])
        whole = np.array([found.global_scores.mean(axis=1).argmax() for found in said])
        assert (line["global together"], line["best global"], line["disagree on"]) == (
            f"{(whole == truth).sum()} right",
            f"{(alone == truth[:, None]).sum(axis=0).max()} right",
            f"{(alone != alone[:, :1]).any(axis=1).sum()} of 6",
        )
        spread = np.mean([found.global_scores[t].std() for found, t in zip(said, truth, strict=True)])
        assert float(line["spread"]) == pytest.approx(spread, abs=6e-5)
        assert bars(at, f"dropout {run.id}")
        lead = classifier.prompts.diversity([photo for photo, _ in pairs], [name for _, name in pairs]).words
        assert f"{lead}." in [caption.value for caption in at.caption]
    # The prompts stay where no photo is here.
    session.photos.deck.cards = ()
    session.photos.shelf.photos.clear()
    fine(at.run())
    assert [line["closest two"] for line in table(at, "closest two")] == [line["closest two"] for line in lines]
    assert "None of their test photos is here." in everything(at)


def test_two_dropouts_that_keep_as_many_are_trained_once_and_it_is_told(tiny_app: Open) -> None:
    at = trained(tiny_app, global_prompts=2, dropout=0.75)
    assert button(at, "Train with dropout 0").label == "Train with dropout 0"
    assert "Of its 2 global prompts 2 are kept for each photo." in button(at, "Train with dropout 0").help
    at.selectbox(key="compare pin_a").set_value(0)
    assert "Pin a run with several global prompts." in everything(fine(at.run()))


def test_two_pinned_runs_differ_in_what_was_set_and_in_their_figures(at: AppTest) -> None:
    session = session_of(at)
    session.training.settings = replace(session.training.settings, lr=0.5, epochs=5)
    go(train(at), COMPARE)
    # The new one beside the one before it.
    assert [at.selectbox(key=f"compare pin_{side}").value for side in "ab"] == [2, 1]
    assert [(line["what"], line["A"], line["B"]) for line in table(at, "what")] == [
        ("rounds", "5", "2"),
        ("learning rate", "0.5", "0.1"),
        ("steps", "5", "2"),
    ]
    first, second = (float(metric(at, f"{label}: ").value.split()[0]) for label in "AB")
    assert [first, second] == pytest.approx([share(run) for run in runs_of(at)], abs=0.06)
    assert "A and B get the same test photos right" in everything(at) or "Only A is right on" in everything(at)
    # The other way round: figures change places.
    at.selectbox(key="compare pin_a").set_value(1)
    fine(at.selectbox(key="compare pin_b").set_value(2).run())
    assert float(metric(at, "A: ").value.split()[0]) == second
    assert "loss" in bars(at, "losses")


def test_the_newest_run_with_figures_is_pinned_at_first_and_the_better_is_ahead_by_the_difference(
    tiny_app: Open,
) -> None:
    at = train(cards(fine(tiny_app()), {"red": 2, "green": 2}, tests=2))
    training = session_of(at).training
    (tested,), ledger = runs_of(at), there(training.ledger)
    ledger.save(replace(there(training.taught), answers={}, answers_before={}), "from a file")
    at = go(at, COMPARE)
    assert (at.selectbox(key="compare pin_a").value, len(runs_of(at))) == (tested.id, 2)
    assert "right on 4 test photos" in everything(at)
    at = train(at)
    assert at.selectbox(key="compare pin_a").value == max(run.id for run in runs_of(at)) > tested.id, "it follows"
    taught = there(training.taught)
    for guess in ("wrong", "right"):
        answers = {d: replace(one, label=one.truth if guess == "right" else "") for d, one in taught.answers.items()}
        ledger.save(replace(taught, answers=answers), guess)
    right, wrong = (run.id for run in runs_of(go(at, COMPARE))[:2])
    for a, b, gain in ((right, wrong, "+100.0 points vs B"), (wrong, right, "-100.0 points vs B")):
        at.selectbox(key="compare pin_a").set_value(a)
        fine(at.selectbox(key="compare pin_b").set_value(b).run())
        assert metric(at, "A: ").delta == gain


def test_photos_that_flipped_are_listed_and_shown_with_both_maps(tiny_app: Open) -> None:
    at = trained(tiny_app, epochs=30, lr=0.5, topk=(2, 4))
    run, session = runs_of(at)[0], session_of(at)
    different = {d for d, found in run.answers.items() if found.label != run.answers_before[d].label}
    assert different, "this training changes some answers"
    assert len(table(at, "really")) == len(different)
    assert {line["photo"] for line in table(at, "really")} <= {
        p.name for c in session.photos.deck.cards for p in c.tests + c.shots
    }
    a, b = grid(at, "compared map A"), grid(at, "compared map B")
    assert a["takes"] != b["takes"]
    assert (a["photo"], a["range"]) == (b["photo"], b["range"]), "one scale of colours for both"
    assert (a["compact"], a["state"]["prompt"]) == (True, 0)
    assert "Score at k = " in everything(at)
    # Other prompt, other map.
    at.selectbox(key="compare prompt").set_value(1)
    stands = [grid(fine(at.run()), f"compared map {label}")["state"] for label in "AB"]
    assert [(each["prompt"], each["class_name"]) for each in stands] == [
        (1, at.selectbox(key="compare class_name").value)
    ] * 2
    # Without the photos the answers stay, and no picture is made up.
    session.photos.deck.cards = ()
    assert all(line["photo"].startswith("not here") for line in table(fine(at.run()), "really"))
    assert "A run stores no photos" in everything(at)


def test_more_seeds_become_runs_and_their_spread_is_told(at: AppTest) -> None:
    session_of(at).page_jobs.start(resources.jobs(), failing(PlainError("Too dark.")), "seeds", "More seeds")
    assert [told.value for told in finish(fine(at.run())).warning] == ["Too dark."]
    kept = runs_of(finish(fine(button(at, "Train A with 4 more seeds").click().run()), 120))
    assert sorted(run.settings.seed for run in kept) == [0, 1, 2, 3, 4]
    shares = [share(run) for run in kept]
    assert not unsaid(at, f"{np.mean(shares):.1f} % on average over 5 seeds", f"{np.std(shares, ddof=1):.1f} points")
    dots, mean = json.loads(bars(at, "seeds"))["data"]
    assert (dots["mode"], mean["mode"], mean["x"]) == ("markers", "markers", [pytest.approx(np.mean(shares))])


def test_a_series_that_is_cancelled_leaves_no_half_run(manager: JobManager) -> None:
    endless = mock.Mock(**{"run.return_value": repeat(Counted(0.5, "half way"))})
    job = manager.submit(Steps(in_series([lambda: endless] * 2)))
    wait(job, lambda snapshot: snapshot.progress is not None)
    job.cancel()
    wait(job)
    endless.result.assert_not_called()


def test_other_cards_cannot_repeat_a_run_and_it_is_said(at: AppTest) -> None:
    session = session_of(at)
    session.photos.deck.remove(session.photos.deck.cards[0].shots[0].sha256)
    assert button(fine(at.run()), "Train A with").disabled
    assert "the cards on Teach no longer hold exactly the same photos" in everything(at).replace("\\", "")


def test_a_run_is_renamed_deleted_brought_back_exported_and_opened(at: AppTest) -> None:
    at.text_input(key="name of 1").set_value(HOSTILE[0])
    fine(button(at, "Rename").click().run())
    assert HOSTILE[0] in [line["run"] for line in table(at, "method")]
    assert "![x](" not in everything(at)
    assert runs_of(fine(at.button(key="delete run 1").click().run())) == []
    assert "![x](" not in everything(at), "beside the way to bring it back"
    fine(at.button(key="undelete run 1").click().run())
    (run,) = runs_of(at)

    # A second training, then the first one is opened again: it answers on Explore.
    session = session_of(at)
    first = taught_of(at).after
    session.training.settings = replace(session.training.settings, lr=0.7, epochs=6)
    go(train(at), COMPARE)
    second = taught_of(at).after
    fine(at.selectbox(key="compare run").set_value(run.id).run())
    assert "is now in use" in everything(fine(at.button(key=f"open run {run.id}").click().run()))
    opened = taught_of(at).after
    probe = [tiny.picture(70, "red"), tiny.picture(71, "green")]
    assert np.array_equal(opened.predict_proba(probe), first.predict_proba(probe))
    assert not np.array_equal(opened.predict_proba(probe), second.predict_proba(probe))
    assert "Where a local prompt looks" not in everything(go(at, TEACH)), "a run that was opened keeps no maps"
    go(at, EXPLORE)
    assert at.text_area(key="explore names").value.split("\n") == list(opened.model_.class_names)


def test_the_name_of_what_waits_for_its_backbone_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    session, loading = Session(), BackboneLoading("It is being loaded.", "mini")
    monkeypatch.setattr(current, "holding", mock.Mock(side_effect=loading))
    with mock.patch.object(session.page_jobs, "start") as start:
        current.open_on(session, "mini", pytest.fail, HOSTILE[0], Where.RUNS)  # which waits until its backbone is there
    assert start.call_args.args[-1] == f"Opening {text.markdown(HOSTILE[0])} with its backbone"


def test_a_run_chosen_as_another_is_deleted_or_opened_leaves_both_as_they_are(tiny_app: Open) -> None:
    """Both reach the server with one run: the button was drawn for the run before."""
    at = go(train(trained(tiny_app)), COMPARE)
    session = session_of(at)
    newest, taught = max(run.id for run in runs_of(at)), session.training.taught
    fine(at.selectbox(key="compare run").set_value(newest).run())
    for word, done in (("delete", "deleted"), ("open", "opened")):
        at.selectbox(key="compare run").set_value(1)
        at.button(key=f"{word} run {newest}").click()
        assert f"GalLoP {newest} was not {done}" in fine(at.run()).info[0].value
        assert (len(runs_of(at)), session.training.taught is taught) == (2, True)
        fine(at.selectbox(key="compare run").set_value(newest).run())
    # Nor does the way back lead to another run than it says.
    fine(at.button(key=f"delete run {newest}").click().run())
    at.button(key=f"undelete run {newest}").click()
    there(session.training.ledger).delete(1)  # by another tab, just before
    assert runs_of(fine(at.run())) == []


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
    monkeypatch.setattr("app.runs.store.tempfile.TemporaryFile", no_room)
    monkeypatch.setattr("app.runs.store.locked", no_room)
    restart()
    at = go(fine(tiny_app()), COMPARE)
    assert [line["method"] for line in table(at, "method")] == ["zero-shot", "not trained yet", "GalLoP"]
    assert "Runs saved earlier are still shown" in at.warning[0].value
    assert "Add one on *Explore*" in at.info[0].value
    assert button(at, "Train A with").disabled
    assert "cannot be written" in fine(button(at, "Delete").click().run()).error[0].value


def test_a_run_of_a_newer_version_is_told(tiny_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "owner_of", lambda address, token: MACHINE)
    at = trained(tiny_app)
    (facts,) = (tmp_path / "data").rglob(FACTS)
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"format": FORMAT + 1}))
    go(at, COMPARE)
    assert "saved by a newer version" in at.warning[0].value.replace("\\", "")
    assert [line["method"] for line in table(at, "method")] == ["zero-shot", "not trained yet"]


def test_a_photo_of_explore_can_be_compared_too(tiny_app: Open) -> None:
    at = with_photo(tiny_app, "red\ngreen")
    go(train(cards(at, {"red": 2, "green": 2}, tests=1)), COMPARE)
    listed = at.selectbox(key="compare photo").options
    assert {"photo.png", "test/red/tests 0.png", "train/green/shots 1.png"} < set(listed)
    fine(at.selectbox(key="compare photo").set_value(next(iter(session_of(at).photos.shelf.photos))).run())
    said = next(found.value for found in at.markdown if found.value.startswith("**A:"))
    go(at, EXPLORE)
    assert said.split("says ")[1].split(",")[0] == f"nearest: {answer(at).split(':')[0]}"


def test_a_ledger_that_cannot_keep_a_training_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "add", mock.Mock(side_effect=[OSError("No space left on device"), 1]))
    monkeypatch.setattr(Ledger, "runs", lambda _: [])
    ledger = Ledger(None, "me")  # type: ignore[arg-type]
    recorded = Teaching(tiny.vit(), None, SHOTS, {}, SETTINGS, Watch(), ledger.save)
    list(recorded.run())
    assert recorded.result() is not None
    assert "No space left" in ledger.problem
    recorded.result()
    assert ledger.problem == "", "of the last training"
