"""A training as a task, without a page: what it keeps, measures and shows."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from app import options
from app.jobs import Snapshot, State
from app.options import Options
from app.teaching import tasks
from app.teaching.tasks import Teaching, content, demand, encoding_ahead
from app.teaching.training import (
    VIEW_BYTES,
    Progress,
    Taught,
    TeachSettings,
    WatchedPhoto,
    changed,
    training_outcome,
    with_prompts,
)
from app.visitor.photos import VisitorPhotos
from app.visitor.training import VisitorTraining
from gallop import GalLoPClassifier, Photo, TrainConfig, load_image
from gallop.data.project_file import ProjectClass
from gallop.evaluation.changes import NONE, NOTICED, RIGHT, Changes
from gallop.evaluation.intervals import Proportion
from gallop.features.encoding import MemoryCache
from gallop.training.pace import Pace
from gallop.wording import time_in_words
from tests import tiny
from tests.app_pages import followed, there
from tests.features.test_encoding import counted

SETTINGS = TeachSettings(epochs=6, global_prompts=3, topk=(2, 4), dropout=0.5, lr=0.05, batch_size=2, views=2)


def photos(colour: str, count: int, first: int = 0) -> tuple[Photo, ...]:
    return tuple(load_image(tiny.picture(first + i, colour), name=f"{colour} {i}") for i in range(count))


SHOTS = {"red": photos("red", 3), "green": photos("green", 3)}
SIXTY = {"red": SHOTS["red"] * 10, "green": SHOTS["green"] * 10}


def task(settings: TeachSettings = SETTINGS, watch: WatchedPhoto | None = None, **tests: tuple[Photo, ...]) -> Teaching:
    return Teaching(tiny.vit(), MemoryCache(), SHOTS, tests, settings, watch or WatchedPhoto())


def run(teaching: Teaching, until: Any = lambda _: False) -> tuple[list[Progress], Taught]:
    """Every progress, up to the first one for which ``until`` holds, and the result."""
    seen, taught = followed(teaching.run(), until)
    return seen, there(taught)


def test_a_whole_training_tells_its_steps_and_shares_and_ends_with_its_last_prompts() -> None:
    seen, taught = run(task(red=photos("red", 2, 50)))
    training = [progress for progress in seen if progress.phase == "training"]
    assert (len(training), taught.on_shots.photos, taught.on_tests.photos) == (18, 6, 2)
    assert (taught.steps, taught.of_steps, taught.stopped_early) == (18, 18, False)
    truth = [name for name, shots in SHOTS.items() for _ in shots]
    right = (taught.after.predict([p for shots in SHOTS.values() for p in shots]) == truth).mean()
    assert (taught.on_shots.after, list(SHOTS), taught.names) == (
        pytest.approx(right),
        ["red", "green"],
        ("green", "red"),
    )
    assert taught.names == tuple(taught.after.model_.class_names) == tuple(taught.before.model_.class_names)
    assert [point.step for point in taught.history] == list(range(1, 19))

    shares = [progress.fraction for progress in seen]
    assert (seen[0].phase, shares, shares[-1]) == ("encoding", sorted(shares), pytest.approx(1.0)), "no bar falls"
    for progress in training:
        kept = there(progress.kept)
        assert (kept.step, kept.total, len(kept.photos), len(kept.prompts)) == (progress.done, 3, 2, 2)
        assert all(len(set(prompts)) == 2 for prompts in kept.prompts)  # 3 - int(0.5 x 3) are kept
        assert set(kept.photos) <= {photo.name for shots in SHOTS.values() for photo in shots}

    # What is learned can be tried while it is calibrated, and stays the same.
    first = next(progress for progress in seen if progress.ready is not None)
    later, ready = seen[seen.index(first) :], there(first.ready)
    assert all(progress.ready is ready for progress in later), "it is one, to its end"
    assert {progress.phase for progress in later} == {"measuring", "calibrating"}
    assert (ready.after.calibration_.threshold, ready.after.cross_fit_) == (None, None)
    assert taught.after.calibration_.threshold is not None
    assert tiny.equal(tiny.learned(ready.after), tiny.learned(taught.after))
    said = [{digest: answer.label for digest, answer in each.answers.items()} for each in (ready, taught)]
    assert (said[0], ready.answers_before) == (said[1], taught.answers_before)
    assert (ready.steps, ready.stopped_early) == (18, False)


def test_a_cancelled_training_keeps_the_prompts_of_its_last_step() -> None:
    kept = {}

    def note(progress: Progress) -> bool:
        if progress.phase == "training":
            kept[progress.done] = tiny.learned(fit.call_args.args[0])
        return progress.phase == "training" and progress.done == 13

    with mock.patch.object(GalLoPClassifier, "fit_steps", autospec=True, side_effect=GalLoPClassifier.fit_steps) as fit:
        _, taught = run(task(), until=note)
    assert (taught.steps, taught.stopped_early) == (13, True)
    assert tiny.equal(tiny.learned(taught.after), kept[13])
    # What is asked of it answers with those prompts, not with ones that were kept from a look at the map.
    fresh = tiny.classifier(global_prompts=3, topk=(2, 4)).zero_shot(taught.after.classes_.tolist())
    fresh.model_.prompts.load_state_dict(kept[13])
    probe = photos("red", 1, 90)
    assert torch.allclose(
        torch.as_tensor(taught.after.predict_proba(probe)), torch.as_tensor(fresh.predict_proba(probe)), atol=1e-6
    )


def test_cancelled_before_its_first_step_it_leaves_nothing() -> None:
    seen, taught = followed(task().run(), lambda _: True)
    assert (len(seen), taught) == (1, None)


def test_it_is_compared_with_the_earlier_model_also_on_unknown_photos_where_there_are_some() -> None:
    _, first = run(task())
    unknown = photos("blue", 3, 40)
    again = Teaching(tiny.vit(), MemoryCache(), SHOTS, {}, SETTINGS, WatchedPhoto(), earlier=first, unknown=unknown)
    changes = there(run(again)[1].changes)
    assert (first.changes, changes.before) == (None, changes.after), "the same training again changes nothing"
    noticed = there(first.after.is_ood(list(unknown)))
    assert changes.after[NOTICED] == Proportion(int(noticed.sum()), 3)
    assert list(changes.after) == [RIGHT, NONE, NOTICED]


@pytest.mark.parametrize(
    ("noticed", "kind"), [(9, "success"), (7, "info"), (6, "warning")], ids=["none fell", "two", "a third"]
)
def test_the_colour_of_the_result_is_that_of_what_fell(noticed: int, kind: str) -> None:
    changes = Changes({NOTICED: Proportion(9, 9)}, {NOTICED: Proportion(noticed, 9)})
    taught = Taught(None, tiny.classifier().zero_shot(["red", "green"]), SETTINGS, changes=changes)  # type: ignore[arg-type]
    training = VisitorTraining(VisitorPhotos())
    training.job = mock.Mock(snapshot=lambda: Snapshot(State.DONE, result=taught))
    training.settle()
    first = "Worse than the run before\n" if noticed < 9 else "Against the run before\n"
    assert (training.outcome[0], training.outcome[1].startswith(first)) == (kind, True)  # type: ignore[index]


WITH_HEAD = replace(SETTINGS, head="ridge")


def test_a_head_answers_before_the_prompts_are_trained_and_then_they_do() -> None:
    seen, taught = run(task(WITH_HEAD, red=photos("red", 2, 50)))
    first, last = (there(progress.ready) for progress in (next(each for each in seen if each.ready), seen[-1]))
    before = seen[: next(at for at, progress in enumerate(seen) if progress.phase == "training")]
    assert (first.steps, first is before[-1].ready) == (0, True)
    every = [(photo, name) for name, some in SHOTS.items() for photo in some]
    alone = GalLoPClassifier(tiny.vit(), method=WITH_HEAD.method(), cache=False).zero_shot(first.names)
    alone.add_shots([photo for photo, _ in every], [name for _, name in every])
    asked = [*photos("red", 3, 70), *photos("green", 3, 80)]
    answers = [each.predict_proba(asked) for each in (first.after, alone, taught.after)]
    assert abs(answers[0] - answers[1]).max() < 1e-5, "in whatever order the photos come"
    assert abs(answers[0] - answers[2]).max() > 1e-3
    assert (last.steps, tiny.equal(tiny.learned(last.after), tiny.learned(taught.after))) == (18, True)


def test_in_no_rounds_the_head_learns_and_is_calibrated() -> None:
    seen, taught = run(task(replace(WITH_HEAD, epochs=0), red=photos("red", 2, 50)))
    assert (taught.steps, taught.on_tests.photos, len(taught.history)) == (0, 2, 0)
    assert tiny.equal(tiny.learned(taught.after), tiny.learned(taught.before))
    assert taught.after.calibration_.threshold is not None
    assert {progress.phase for progress in seen} == {"head", "encoding", "measuring"}
    assert training_outcome(Snapshot(State.DONE, result=taught)) == (
        "success",
        "Done: 0 steps on 6 photos of 2 classes.",
    )


def test_of_many_photos_a_head_answers_before_all_of_them_are_encoded() -> None:
    many = {name: photos(name, 20, 100) for name in ("red", "green")}
    ready: list[Taught] = []
    for progress in Teaching(tiny.vit(), MemoryCache(), many, {}, WITH_HEAD, WatchedPhoto()).run():
        if progress.ready is not None and progress.ready is not next(iter(ready[-1:]), None):
            ready.append(progress.ready)
        if progress.phase == "training":
            break
    reds = [(taught.shots, sum(name == "red" for _, name in taught.learned)) for taught in ready]
    heads = [tiny.head_of(taught.after).sums.counts.sum().item() for taught in ready]
    assert (reds, heads) == ([(16, 8), (40, 20)], [16, 40]), "the first stays as it was when it was shown"


def test_cancelled_before_the_first_step_of_the_prompts_the_head_stays() -> None:
    _, taught = run(task(WITH_HEAD), until=lambda progress: progress.ready is not None)
    assert (taught.steps, taught.stopped_early, len(taught.answers)) == (0, False, 6)
    assert training_outcome(Snapshot(State.CANCELLED, result=taught)) == (
        "info",
        "Cancelled before the first step of the prompts: the head has learned, and answers with them.",
    )


def test_as_many_views_are_stored_as_fit_into_the_memory() -> None:
    settings = replace(SETTINGS, views=4, epochs=8)
    sizes = {views: settings.fitting(SIXTY, int(60 * VIEW_BYTES * views)).views for views in (0.2, 1, 2.9, 4, 9)}
    assert sizes == {0.2: 1, 1: 1, 2.9: 2, 4: 4, 9: 4}
    assert replace(settings, shots=10).fitting(SIXTY, 20 * VIEW_BYTES * 3).views == 3
    assert replace(settings, views=0).fitting(SIXTY, VIEW_BYTES).views == 0, "each is fresh"
    assert demand(SIXTY, replace(settings, views=2), 4, None, None) == "2 of 4 views of each photo fit into the memory."


def test_what_a_second_look_takes_is_said_before() -> None:
    asked = (replace(WITH_HEAD, views=1, detail=detail) for detail in (1.0, 2.0))
    # Of a view one look, of the centre crop both: 6 for 2.
    assert [demand(SIXTY, settings, 1, 1.0, Pace(0, 0)) for settings in asked] == [
        "60 photos: the head after about 1 min, everything after about 2 min.",
        "60 photos: the head after about 5 min, everything after about 6 min.",
    ]


def test_what_a_training_takes_is_said_by_the_seconds_of_its_steps() -> None:
    settings = replace(WITH_HEAD, epochs=10, batch_size=20, calibration_folds=3)
    # 60 photos are 3 batches, and 40 without a fold 2: 10 x (3 x 0.5 + 2 x 1) seconds, and nothing to encode.
    said = demand(SIXTY, settings, settings.views, 0.0, Pace(0.5, 1.0))
    assert said == "60 photos: the head after about 1 s, everything after about 35 s."


def test_views_that_do_not_fit_now_are_still_the_ones_that_were_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "started", Options(visitor_memory=6 * VIEW_BYTES))
    training = VisitorTraining(VisitorPhotos())
    training.settings = replace(SETTINGS, views=4)
    training.photos.deck.lay_out([ProjectClass("red", True, SHOTS["red"])], "")
    assert (training.fitting.views, training.settings.views) == (2, 4)
    training.photos.deck.undo()
    assert training.fitting.views == 4


def test_cancelled_while_it_calibrates_it_keeps_the_last_step() -> None:
    _, taught = run(task(), until=lambda progress: progress.phase == "calibrating" and progress.done == 2)
    assert (taught.steps, taught.stopped_early) == (18, False)


def test_the_map_that_evolves_begins_untaught_and_follows_the_photo_that_is_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "SIGHT_SECONDS", 0.0)
    watch = WatchedPhoto(SHOTS["red"][0])
    _, taught = run(task(watch=watch))
    assert taught.watched_steps[0].step == 0
    assert [watched.step for watched in taught.watched_steps] == sorted(
        watched.step for watched in taught.watched_steps
    )
    untaught, now = taught.watched_steps[0].explanation, taught.watched_steps[-1].explanation
    zero_shot = tiny.classifier().zero_shot(["red", "green"]).explain(SHOTS["red"][0])
    assert abs(untaught.region_scores("red", 0) - zero_shot.region_scores("red", 0)).max() < 1e-5
    final = taught.after.explain(SHOTS["red"][0])
    assert abs(now.region_scores("red", 0) - final.region_scores("red", 0)).max() < 1e-6
    assert abs(now.region_scores("red", 0) - untaught.region_scores("red", 0)).max() > 1e-4

    def turn(progress: Progress) -> bool:
        if progress.phase == "training" and progress.done == 5:
            watch.photo = SHOTS["green"][0]
        return False

    _, taught = run(task(watch=watch), until=turn)
    assert {id(watched.explanation.image) for watched in taught.watched_steps} == {id(SHOTS["green"][0].image)}
    assert taught.watched_steps[0].step == 6


def test_shots_are_drawn_by_the_seed_and_fewer_are_part_of_more() -> None:
    def drawn(shots: int, seed: int) -> set[str]:
        return {photo.name for photo, _ in tasks.drawn_shots(SHOTS, replace(SETTINGS, shots=shots, seed=seed))}

    assert (len(drawn(2, 0)), len(drawn(9, 0))) == (4, 6)
    assert drawn(1, 0) < drawn(2, 0)
    assert any(drawn(1, 0) != drawn(1, seed) for seed in range(1, 5))


def test_photos_encoded_ahead_are_not_encoded_again() -> None:
    cache, backbone = MemoryCache(), tiny.vit()
    pending = deque(photo for shots in SHOTS.values() for photo in shots)
    assert list(encoding_ahead(backbone, cache, pending, SETTINGS))[-1] >= 0
    assert len(cache) == 6 * (1 + SETTINGS.views)
    with counted(backbone) as calls:
        for _ in Teaching(backbone, cache, SHOTS, {}, SETTINGS, WatchedPhoto()).run():
            pass
    assert calls == []


def test_time_left_is_told_once_it_was_measured_and_the_bar_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    # 64 photos, batches of 32, 5 epochs: 10 steps; three folds of 43 photos side by side in 1 step each: 5 more.
    pace = tasks.Bar(64, TrainConfig(epochs=5, batch_size=32, calibration_folds=3, views=2))
    head, calibrating = 64 * tasks.VIEW, 5 * 3 * tasks.SIDE_BY_SIDE
    encoding = 3 * head
    for seconds, phase, done, of, left, steps in (
        (1, "head", 32, 64, None, head / 2),  # what a step takes is not known
        (1, "encoding", 32, 128, None, head + 2 * head / 4),
        (1, "encoding", 128, 128, None, encoding),
        (0, "training", 1, 10, None, encoding + 1),
        (2, "training", 2, 10, (8 + calibrating) * 2, encoding + 2),
        (16, "training", 10, 10, calibrating * 2, encoding + 10),
        (50, "calibrating", 1, 10, 0.9 * calibrating * 2, encoding + 10 + 0.1 * calibrating),  # photos were asked about
        (3, "calibrating", 2, 10, 8 * 3, encoding + 10 + 0.2 * calibrating),  # by its own rate, now measured
        (24, "calibrating", 10, 10, 0, encoding + 10 + calibrating),
    ):
        now[0] += seconds
        pace.note(phase, done, of)
        fraction = steps / (encoding + 10 + calibrating)
        assert (pace.left, pace.fraction) == (left if left is None else pytest.approx(left), pytest.approx(fraction))


def test_a_training_on_the_page_learns_the_librarys_prompts_to_the_last_digit(
    tmp_path: Path,
) -> None:
    """With a photo that is watched, and asked about its photos before it is calibrated: the same steps and prompts."""
    seen, taught = run(task(watch=WatchedPhoto(SHOTS["red"][0]), red=photos("red", 2, 50)))
    for name, shots in SHOTS.items():
        (tmp_path / name).mkdir()
        for photo in shots:
            photo.image.save(tmp_path / name / f"{photo.name}.png")
    how: dict[str, Any] = {"method": SETTINGS.method(), "preset": SETTINGS.training(), "cache": MemoryCache()}
    plain = GalLoPClassifier(tiny.vit(), **how, shots=16, allow_fewer=True).fit(tmp_path)  # as ``gallop train`` does
    assert [(e.step, e.loss, e.accuracy) for e in plain.history_] == [
        (point.step, point.loss, point.accuracy) for point in taught.history
    ]
    assert tiny.equal(tiny.learned(plain), tiny.learned(taught.after))
    ours, theirs = taught.after.calibration_, plain.calibration_
    # Centre crops went in other batches.
    assert (ours.temperature, ours.threshold) == pytest.approx((theirs.temperature, theirs.threshold), rel=1e-6)
    assert replace(ours, temperature=1, threshold=None) == replace(theirs, temperature=1, threshold=None)
    assert len([progress for progress in seen if progress.phase == "training"]) == len(plain.history_)


def test_times_are_told_no_more_exactly_than_they_are_known() -> None:
    assert (time_in_words(0.2), time_in_words(59), time_in_words(61), time_in_words(200)) == (
        "about 1 s",
        "about 59 s",
        "about 1 min",
        "about 3 min",
    )


def test_settings_tell_what_needs_a_new_training() -> None:
    assert changed(SETTINGS, replace(SETTINGS, topk=(1, 1))) == []
    assert changed(SETTINGS, replace(SETTINGS, topk=(1, 1, 1), lr=0.1)) == ["k of the local prompts", "learning rate"]
    assert (with_prompts((3, 4), 4), with_prompts((3, 4), 1)) == ((3, 4, 15, 20), (3,))
    assert content(SHOTS) != content({"red": SHOTS["green"], "green": SHOTS["red"]})
