"""Trainings that a change starts by itself: what they go on from, what they leave, and what they changed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from app.teaching.tasks import Teaching
from app.teaching.training import LIVE_ROUNDS, Progress, Taught, TeachSettings, WatchedPhoto, can_be_live
from app.ui.explanation.tune import steps_of
from app.views.changed import changed_photos, dropout_in_words, notes
from app.visitor.page_state import Question
from gallop import GalLoPClassifier, MethodConfig, Photo, load_image
from gallop.evaluation.changes import NOTICED, RIGHT, TESTED, Changes, Flips
from gallop.features.encoding import MemoryCache
from tests import tiny
from tests.app_pages import (
    EXPLORE,
    TEACH,
    Open,
    again,
    button,
    cards,
    everything,
    explained,
    fine,
    finish,
    followed,
    go,
    grid,
    hold,
    png,
    session_of,
    taught_of,
    there,
    train,
    uploader,
    with_photo,
)
from tests.until import until

SETTINGS = TeachSettings(
    epochs=4, global_prompts=4, topk=(2, 4), dropout=0.75, lr=0.05, batch_size=4, views=2, calibration_folds=2
)


def photos(colour: str, count: int, first: int = 0) -> tuple[Photo, ...]:
    return tuple(load_image(tiny.picture(first + i, colour), name=f"{colour} {i}") for i in range(count))


SHOTS = {"red": photos("red", 4), "green": photos("green", 4)}


def run(
    settings: TeachSettings = SETTINGS, shots: Any = None, tests: Any = None, **more: Any
) -> tuple[list[Progress], Taught]:
    teaching = Teaching(tiny.vit(), MemoryCache(), shots or SHOTS, tests or {}, settings, WatchedPhoto(), **more)
    seen, taught = followed(teaching.run())
    return seen, there(taught)


@pytest.fixture(scope="module")
def first() -> Taught:
    return run()[1]


def contexts(classifier: GalLoPClassifier) -> torch.Tensor:
    return classifier.model_.prompts.global_contexts.detach()


def test_it_goes_on_from_the_prompts_in_use_and_its_limit_is_that_of_a_whole_training(first: Taught) -> None:
    seen, taught = run(replace(SETTINGS, dropout=0.0), earlier=first, live=True)
    whole = run(replace(SETTINGS, dropout=0.0))[1]
    assert taught.steps == 2 * LIVE_ROUNDS
    assert (taught.after.calibration_, taught.names) == (whole.after.calibration_, first.names)
    assert not torch.equal(contexts(taught.after), contexts(whole.after))
    assert taught.changes is not None
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases == ["encoding", "training", "measuring", "calibrating"], "the head need not learn again"


def test_its_answers_move_with_the_steps_and_the_limit_of_the_run_before_is_doubted(
    first: Taught, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.teaching.tasks.LIVE_SECONDS", 0.0)
    seen, taught = run(replace(SETTINGS, dropout=0.0), earlier=first, live=True)
    shown = list(dict.fromkeys(there(each.ready).after for each in seen if each.phase == "training"))
    assert len(shown) == 2 * LIVE_ROUNDS
    assert all(not torch.equal(contexts(a), contexts(b)) for a, b in pairwise(shown))
    assert torch.equal(contexts(shown[-1]), contexts(taught.after))
    for each in shown:
        assert each.calibration_ == replace(first.after.calibration_, note=each.calibration_.note)
        assert "of the run before" in each.calibration_.doubt


def test_a_new_photo_is_learned_by_the_head_first_and_other_classes_have_no_limit(first: Taught) -> None:
    more = {**SHOTS, "red": (*SHOTS["red"], *photos("red", 1, 50))}
    headed = run(replace(SETTINGS, head="ridge"))[1]
    seen, taught = run(replace(SETTINGS, head="ridge"), more, earlier=headed, live=True)
    answered = next(each.ready for each in seen if each.ready)
    assert (seen[0].phase, answered.shots, taught.shots) == ("head", 9, 9)
    assert torch.equal(contexts(answered.after), contexts(headed.after)), "with the prompts in use"
    seen, taught = run(SETTINGS, {**SHOTS, "blue": photos("blue", 4)}, earlier=first, live=True)
    assert taught.names == ("blue", "green", "red")
    assert next(each.ready for each in seen if each.ready).after.calibration_.threshold is None


def test_fewer_and_more_prompts_go_on_from_those_that_both_have(first: Taught) -> None:
    _, taught = run(replace(SETTINGS, global_prompts=2, topk=(2, 4, 6), epochs=4), earlier=first, live=True)
    assert taught.after.model_.config.sizes == (2, 3)


def test_superseded_it_leaves_nothing(first: Taught) -> None:
    saved: list[Taught] = []
    teaching = Teaching(
        tiny.vit(), MemoryCache(), SHOTS, {}, SETTINGS, WatchedPhoto(), saved.append, earlier=first, live=True
    )
    _, taught = followed(teaching.run(), lambda progress: progress.phase == "calibrating")
    assert (taught, saved) == (None, [])


def test_dropout_numbers_of_prompts_and_k_can_be_live_and_other_settings_ask_for_a_training() -> None:
    assert can_be_live(SETTINGS, replace(SETTINGS, dropout=0.25, global_prompts=2, topk=(1, 2, 3)))
    assert not can_be_live(SETTINGS, replace(SETTINGS, dropout=0.25, lr=0.01))


@pytest.mark.parametrize("prompts", range(1, 17))
def test_the_slider_of_dropout_has_one_place_for_every_number_of_prompts_that_is_kept(prompts: int) -> None:
    steps = steps_of(prompts, 0.0)
    kept = [MethodConfig(global_prompts=prompts, dropout=dropout).kept_prompts for dropout in steps]
    assert kept == list(range(prompts, 0, -1))
    assert 0.6 in steps_of(prompts, 0.6), "as it is set, also where that is between two"


def test_a_test_photo_that_becomes_a_shot_counts_for_neither_run_and_asked_tests_are_counted() -> None:
    tests = {"red": photos("red", 3, 20), "green": photos("green", 3, 20)}
    before = run(tests=tests)[1]
    moved, *left = tests["red"]
    shots = {**SHOTS, "red": (*SHOTS["red"], moved)}
    after = run(shots=shots, tests={**tests, "red": left}, earlier=before)[1]
    changes = there(after.changes)
    assert (changes.before[TESTED].of, changes.after[TESTED].of, before.asked_tests, after.asked_tests) == (5, 5, 1, 2)
    assert (changes.before[RIGHT].of, changes.after[RIGHT].of) == (8, 8)


def test_what_another_dropout_did_is_one_sentence_of_figures_worked_out_again(first: Taught) -> None:
    taught = run(replace(SETTINGS, dropout=0.0), earlier=first, live=True)[1]

    def likeness(each: Taught) -> Any:
        text = each.after.model_.cached_text_features().global_
        unit = text / text.norm(dim=-1, keepdim=True)
        return np.mean([(one @ one.T).numpy() for one in unit], axis=0)

    pairs = [(i, j) for i in range(4) for j in range(4) if i < j]
    (a, b) = ([float(likeness(each)[pair]) for pair in pairs] for each in (first, taught))
    words = dropout_in_words(first, taught)
    assert words.startswith("Dropout 0.75 -> 0: the global prompts ")
    assert f"(mean cosine {np.mean(a):.2f} -> {np.mean(b):.2f}), and " in words
    held = [each.after.calibration_ for each in (first, taught)]
    assert words.endswith(f"{held[0].right} -> {held[1].right} of 8 held-out photos are right.")
    assert (dropout_in_words(first, first), dropout_in_words(first, replace(taught, settings=SETTINGS))) == ("", "")


# On the pages -------------------------------------------------------------------------------------------------------


def live(tiny_app: Open, **counts: int) -> Any:
    """Explore with a photo of the visitor, taught two classes, where a change trains again."""
    at = with_photo(tiny_app, "red\ngreen")
    train(cards(at, counts or {"red": 4, "green": 4}))
    session_of(at).training.live = True
    return at


def moved(at: Any, dropout: float) -> Any:
    return fine(at.select_slider(key="teach settings dropout").set_value(dropout).run())


def test_a_change_of_dropout_beside_the_answer_trains_again_and_the_way_back_restores_everything(
    tiny_app: Open,
) -> None:
    at = go(live(tiny_app), EXPLORE)
    before, shares = taught_of(at), explained(at).shares
    at = finish(moved(at, 0.5))
    after = taught_of(at)
    assert (after.settings.dropout, after.steps, session_of(at).training.run_before) == (0.5, LIVE_ROUNDS, before)
    assert explained(at).shares != shares
    assert grid(at, "explainer")["takes"][1]["when"] == "in the run before"
    assert "Against the run before:\n- held-out shots right, " in everything(at) or "Worse than" in everything(at)
    at = fine(button(at, "Back to the run before").click().run())
    assert (taught_of(at), session_of(at).training.job, explained(at).shares) == (before, None, shares)
    assert at.select_slider(key="teach settings dropout").value == before.settings.dropout
    assert "Back to the run before" not in everything(at)


def test_a_change_that_is_taken_back_stops_it_and_the_last_of_many_wins(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = finish(moved(go(live(tiny_app), TEACH), 0.5))
    before = taught_of(at)
    held = [True]
    hold(monkeypatch, lambda progress: progress.phase == "training" and held[0])
    moved(at, 0.0)
    job = there(session_of(at).training.job)
    until(lambda: session_of(again(at)).training.taught is not before)
    assert session_of(at).training.is_retraining
    moved(at, 0.5)
    assert (session_of(at).training.job, taught_of(at)) == (None, before)
    held[0] = False
    for dropout in (0.0, 0.5, 0.0):
        moved(at, dropout)
    at = finish(at)
    until(lambda: not job.snapshot().active)
    assert (taught_of(at).settings.dropout, session_of(at).training.run_before) == (0.0, before)


def test_a_photo_that_is_learned_is_undone_with_its_training(tiny_app: Open) -> None:
    at = go(live(tiny_app), TEACH)
    before, deck, number = taught_of(at), session_of(at).photos.deck, session_of(at).training.number
    deck.rename(there(deck.find("green")).id, "leaf")
    deck.rename(there(deck.find("leaf")).id, "green")  # the cards were as the run had them before this, too
    fine(uploader(at, "Photos of red").upload("new.png", png(77)).run())
    at = finish(again(at))
    assert (taught_of(at).shots, len(there(deck.find("red")).shots)) == (9, 5)
    at = fine(button(at, "Back to the run before").click().run())
    assert (taught_of(at), len(there(deck.find("red")).shots), session_of(at).training.job) == (before, 4, None)
    assert deck.past[-1][0].startswith("renamed leaf to green"), "changes of before stay"
    assert session_of(at).training.number == number, "a limit that was set for that run holds again"


def test_turned_off_nothing_trains_and_a_moved_photo_offers_it_where_it_stands(tiny_app: Open) -> None:
    at = go(live(tiny_app), EXPLORE)
    fine(at.toggle(key="retrain live").set_value(False).run())
    before = taught_of(at)
    moved(at, 0.5)
    assert (session_of(at).training.job, taught_of(at)) == (None, before)
    fine(button(at, "green").click().run())
    assert session_of(at).training.job is None
    at = finish(fine(at.button(key="train now").click().run()))
    assert taught_of(at).shots == before.shots + 1


def test_a_model_whose_photos_are_not_on_the_cards_is_not_trained_again_by_itself(tiny_app: Open) -> None:
    at = go(live(tiny_app), TEACH)
    session_of(at).training.adopt(replace(taught_of(at), content=frozenset(), learned=()))
    before = taught_of(at)
    fine(uploader(at, "Photos of red").upload("new.png", png(77)).run())
    assert (session_of(at).training.job, taught_of(at)) == (None, before)
    assert "Changed since training: the photos" in everything(at)


def test_photos_that_changed_are_those_of_the_cards_and_of_none_of_the_classes(tiny_app: Open) -> None:
    at = live(tiny_app)
    session, taught = session_of(at), taught_of(at)
    card = there(session.photos.deck.find("red"))
    flips = there(replace(taught)).changes
    assert (flips, changed_photos(session, taught), notes(session, taught)) == (None, [], [])
    session.photos.unknown.add([load_image(png(1, "blue"), name="odd.png")])
    (odd,) = session.photos.unknown.photos
    hashes = [photo.sha256 for photo in card.shots]
    changes = Changes({}, {}, flips={RIGHT: Flips((hashes[0],), (hashes[1], "gone")), NOTICED: Flips((), (odd,))})
    tested = {hashes[2]: replace(taught.answers[hashes[2]], seen=False)}
    session.training.set_taught(replace(taught, answers=tested))
    session.training.set_taught(replace(taught, changes=changes))
    found = changed_photos(session, taught_of(at))
    assert [(each.photo.sha256, each.name, each.words, each.held_out) for each in found] == [
        (hashes[2], "red", "a training photo now", False),
        (hashes[1], "red", "now wrong", True),
        (hashes[0], "red", "now right", True),
        (odd, "none of these", "no longer noticed", False),
    ]
    assert notes(session, replace(taught, asked_tests=3)) == [
        "These test photos were seen by 3 trainings: keep others for a last test."
    ]


def test_what_is_compared_with_is_the_run_before_only_where_classes_and_prompts_are_the_same(tiny_app: Open) -> None:
    at = live(tiny_app)
    session, question = session_of(at), Question(("red", "green"), taught=True)
    assert session.answers.before(question) == Question(("red", "green"), like_taught=True), "there is no run before"
    session.training.set_taught(replace(taught_of(at)))
    assert session.answers.before(question) == replace(question, earlier=True)
    fewer = GalLoPClassifier(taught_of(at).after.model_.backbone, global_prompts=1, cache=False)
    other = replace(taught_of(at), after=fewer.zero_shot(["red", "green"]))
    session.training.set_taught(other)
    assert session.answers.before(question) == Question(("red", "green"), like_taught=True)
