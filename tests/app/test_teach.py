"""The page Teach in this process: every state, and numbers that change."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.jobs import PlainError
from app.ui import resources
from app.ui.teach.deck import MOST_DRAWN
from app.visitor.page_state import AskedRegion
from gallop import load_image
from gallop.config import train_preset
from gallop.data.project_file import MOST_CARDS
from gallop.features.ordinary import ordinary_photos
from gallop.model import calibration
from gallop.names.class_names import SOMETHING_ELSE
from tests.app_pages import (
    EXPLORE,
    PAPERS,
    TEACH,
    Open,
    again,
    bars,
    button,
    cards,
    everything,
    explained,
    fine,
    finish,
    go,
    grid,
    hand,
    hold,
    learning,
    plain,
    png,
    put,
    runs_of,
    session_of,
    sums,
    table,
    taught_of,
    there,
    uploader,
    with_photo,
)
from tests.app_pages import train as run_training
from tests.conftest import SCRIPT
from tests.tiny import head_of, zip_of
from tests.until import until


def add_classes(at: AppTest, names: str) -> AppTest:
    at.text_input(key="new class name").set_value(names)
    return fine(button(at, "Add class").click().run())


def teach(at: AppTest, counts: dict[str, int], epochs: int = 2, tests: int = 0) -> AppTest:
    """Cards with so many photos each, ready to train."""
    return settings(go(cards(at, counts, tests, **PAPERS), TEACH), epochs=epochs)


def settings(at: AppTest, **values: Any) -> AppTest:
    at.session_state["settings"] = True
    put(at, "teach way", "Custom")
    for name, value in values.items():
        draw = at.select_slider if name == "dropout" else at.number_input
        draw(key=f"teach settings {name}").set_value(value)
    return fine(at.run())


def train(at: AppTest) -> AppTest:
    return fine(at.button(key="train").click().run())


def card(at: AppTest, name: str) -> Any:
    return there(session_of(at).photos.deck.find(name))


def renamed(at: AppTest, row: int) -> Any:
    """The button that renames the class of a row."""
    return [found for found in at.button if found.label == "Rename"][row]


def keys(at: AppTest) -> list[str | None]:
    return [found.key for found in at.button]


def names(at: AppTest) -> list[str]:
    return [card.name for card in session_of(at).photos.deck.cards]


# Cards ---------------------------------------------------------------------------------------------------------------


def test_cards_are_added_renamed_turned_off_deleted_and_all_of_it_undone(tiny_app: Open) -> None:
    at = add_classes(go(fine(tiny_app()), TEACH), "red, green, blue")
    assert [found.value for found in at.subheader] == ["blue", "green", "red"], "by name, however they came"
    first = session_of(at).photos.deck.cards[0].id
    at.text_input(key=f"name {first} red").set_value("rose")
    assert [found.value for found in fine(renamed(at, 2).click().run()).subheader] == ["blue", "green", "rose"]
    assert "Left out." in everything(fine(at.button(key=f"turn {first}").click().run()))
    at.button(key=f"delete {first}").click()
    assert [found.value for found in fine(at.run()).subheader] == ["blue", "green"]
    for wanted in (["blue", "green", "rose"], ["blue", "green", "rose"], ["blue", "green", "red"], []):
        assert [found.value for found in fine(button(at, "Undo").click().run()).subheader] == wanted
    assert not names(at), "classes that were added at once are taken back at once"


@pytest.mark.parametrize(("typed", "words"), [("red", "are the same (case"), ("x" * 201, "the maximum is 200")])
def test_a_name_that_cannot_be_used_is_told_and_the_card_stays(tiny_app: Open, typed: str, words: str) -> None:
    at = add_classes(go(fine(tiny_app()), TEACH), "red, green")
    at.text_input(key=f"name {card(at, 'green').id} green").set_value(typed)
    assert words in fine(renamed(at, 0).click().run()).error[0].value
    assert names(at) == ["red", "green"]
    assert words in add_classes(at, typed).error[0].value
    assert not fine(at.run()).error, "it is told once"


def test_photos_for_two_cards_that_come_at_once_and_from_two_tabs_are_all_taken(tiny_app: Open) -> None:
    """The second tab still shows an uploader that the first has emptied."""
    first = add_classes(go(fine(tiny_app()), TEACH), "red, green")
    for name in ("red", "green"):
        uploader(first, f"Photos of {name}").upload(f"{name}.png", png(3, name))
    assert [found.value for found in fine(first.run()).caption].count("1 photo") == 2
    second = tiny_app()
    second.query_params[resources.ADDRESS] = first.session_state[resources.STATE]
    second.session_state[resources.STATE] = first.session_state[resources.STATE]
    second = go(second, TEACH)
    assert session_of(first) is session_of(second)
    fine(uploader(first, "Photos of red").upload("a.png", png(1)).run())
    fine(uploader(second, "Photos of red").upload("b.png", png(2)).run())
    taken = {name: [photo.name for photo in shots] for name, shots in session_of(first).photos.shots().items()}
    assert taken == {"red": ["red.png", "a.png", "b.png"], "green": ["green.png"]}


def test_a_zip_makes_the_cards_and_its_hostile_members_are_refused(tiny_app: Open, tmp_path: Path) -> None:
    members = {
        "things/train/red/1.png": png(1),
        "things/test/red/2.png": png(2),
        "things/train/green_apple/3.png": png(3, "green"),
        "../../../etc/red/4.png": png(4),
        "red/bomb.png": bytes(15 * 2**20),
        "red/run.exe": b"MZ",
        "__MACOSX/red/._1.png": b"x",
    }
    at = go(fine(tiny_app()), TEACH)
    fine(uploader(at, "A zip of class folders").upload("things.zip", zip_of(members)).run())
    photos = [[photo.name for photo in pile] for pile in (card(at, "red").shots, card(at, "red").tests)]
    assert (names(at), photos) == (["red", "green apple"], [["1.png"], ["2.png"]])
    (warning,) = at.warning
    words = (
        "3 added, 3 not added",
        "is not a safe path",
        "100 times its size",
        "does not have an image file extension",
    )
    assert [each for each in words if each not in warning.value] == []
    assert names(fine(button(at, "Undo").click().run())) == []


def test_all_classes_of_a_zip_that_find_no_room_are_named_above_the_columns(tiny_app: Open) -> None:
    every = [f"class {n}" for n in range(MOST_CARDS + 3)]
    members = {f"{every[seed // 2]}/{seed}.png": png(seed) for seed in range(2 * len(every))}
    at = go(fine(tiny_app()), TEACH)
    fine(uploader(at, "A zip of class folders").upload("things.zip", zip_of(members)).run())
    assert names(at) == every[:MOST_CARDS]
    (warning,) = at.warning
    words = rf"\b{2 * MOST_CARDS} photos added.* delete a class.* Not added: {', '.join(every[MOST_CARDS:])}\.$"
    assert re.search(words, warning.value.replace("\\", ""), re.DOTALL)
    assert [each.value for each in at.main if each.type in ("warning", "header")][:2] == [warning.value, "Collect"]
    assert not fine(button(at, "Hide this").click().run()).warning


def test_many_classes_are_rows_that_are_found_by_a_part_of_their_name(tiny_app: Open) -> None:
    at = add_classes(go(fine(tiny_app()), TEACH), ", ".join(f"thing {n}" for n in range(MOST_DRAWN)))
    assert not at.dataframe
    at = add_classes(fine(uploader(at, "Photos of thing 1").upload("1.png", png(1)).run()), "other")
    rows = [(row["Class"], row["Learn"], row["In use"]) for row in table(at, "Class")]
    classes = sorted([*(f"thing {n}" for n in range(MOST_DRAWN)), "other"])
    assert rows == [(name, int(name == "thing 1"), True) for name in classes]
    fine(at.text_input(key="find a class").set_value("HING 1").run())
    found = [name for name in classes if "hing 1" in name]
    assert list(at.dataframe[0].value["Class"]) == found
    assert f"{len(found)} of {MOST_DRAWN + 1} classes, 1 photo." in everything(at)


def test_photos_are_looked_through_taken_away_and_kept_to_test(tiny_app: Open) -> None:
    at = add_classes(go(fine(tiny_app()), TEACH), "red")
    for i in range(3):
        uploader(at, "Photos of red").upload(f"{i}.png", png(i))
    first = card(fine(at.run()), "red")
    fine(button(at, "Look through").click().run())
    fine(at.button(key=f"look {first.shots[0].sha256} away").click().run())
    fine(at.button(key=f"look {first.shots[1].sha256} to tests").click().run())
    (left,) = session_of(at).photos.deck.cards
    assert [[photo.name for photo in pile] for pile in (left.shots, left.tests)] == [["2.png"], ["1.png"]]


# Settings ------------------------------------------------------------------------------------------------------------


def test_presets_set_every_field_but_dropout_and_custom_frees_them_and_what_is_folded_away_holds(
    tiny_app: Open,
) -> None:
    at = go(cards(fine(tiny_app()), {"red": 64}, **PAPERS), TEACH)
    fine(at.select_slider(key="teach settings dropout").set_value(0.25).run())
    for way, preset in (("Quick", "default"), ("As in the paper", "paper")):
        put(at, "teach way", way)
        config, chosen = train_preset(preset), session_of(at).training.settings
        field = at.number_input(key="teach settings epochs")
        shown = (chosen.epochs, chosen.lr, chosen.views, field.value, field.disabled)
        assert shown == (config.epochs, config.lr, config.views, config.epochs, True)
        assert (chosen.dropout, at.radio(key="teach way").value) == (0.25, way), "it is free whatever the way to teach"
    settings(at, epochs=7, lr=0.05, dropout=0.5, global_prompts=2, local_prompts=3, views=2, shots=4, seed=9)
    fine(at.number_input(key="teach scales 2").set_value(7).run())
    chosen = session_of(at).training.settings
    assert chosen == replace(
        chosen, epochs=7, lr=0.05, dropout=0.5, global_prompts=2, topk=(5, 10, 7), views=2, shots=4, seed=9
    )
    put(at, "settings", False)
    assert "teach settings epochs" not in [field.key for field in at.number_input], "folded away"
    assert put(at, "settings", True).number_input(key="teach settings epochs").value == 7
    # They stand over a change of page.
    at = go(go(at, EXPLORE), TEACH)
    assert (at.number_input(key="teach settings epochs").value, session_of(at).training.settings) == (7, chosen)


def test_what_needs_a_new_training_is_told_and_k_and_new_photos_of_a_head_act_at_once(tiny_app: Open) -> None:
    at = settings(teach(with_photo(tiny_app, "red\ngreen"), {"red": 2, "green": 2}), epochs=2)
    at = finish(train(fine(at.selectbox(key="teach settings head").set_value("ridge").run())))
    assert grid(at, "tried map")["state"]["topk"][0] != 1
    assert grid(fine(at.number_input(key="teach scales 0").set_value(1).run()), "tried map")["state"]["topk"][0] == 1
    before, version = taught_of(at), session_of(at).training.version
    assert ("Changed since training" in everything(at), "learn more" in keys(at)) == (False, False)
    fine(uploader(at, "Photos of red").upload("new.png", png(77)).run())
    assert "Changed since training: the photos" in everything(at)
    fine(at.button(key="learn more").click().run())
    assert ("Changed since training" in everything(at), "learn more" in keys(at)) == (False, False)
    after = taught_of(at)
    assert (before.shots, after.shots) == (4, 5)
    assert after.after.model_.prompts is before.after.model_.prompts
    assert (head_of(after.after).sums.counts.tolist(), head_of(before.after).sums.counts.tolist()) == ([2, 3], [2, 2])
    assert ([name for _, name in after.learned], after.on_shots.photos) == (["green", "green", "red", "red", "red"], 5)
    assert session_of(at).training.version != version, "answers are worked out again"
    deck = session_of(at).photos.deck
    deck.remove(deck.in_use[0].shots[0].sha256)
    fine(uploader(at, "Photos of red").upload("other.png", png(78)).run())
    assert "Changed since training: the photos" in everything(at)
    assert "learn more" not in keys(at), "a head cannot forget"
    assert "Changed since training: the photos and rounds" in everything(settings(at, epochs=9))


def test_the_watched_map_is_one_of_a_fixed_scale_and_a_region_is_asked_of_its_own_photo_alone(tiny_app: Open) -> None:
    at = put(finish(train(teach(fine(tiny_app()), {"red": 2, "green": 2}))), "learned", True)
    watched = there(session_of(at).training.watch.photo)
    shown = grid(at, "watched map")
    stands = shown["state"]
    scores = [watched.explanation.region_scores(stands["class_name"], 0) for watched in taught_of(at).watched_steps]
    assert shown["range"] == pytest.approx([min(map(np.min, scores)), max(map(np.max, scores))])
    assert (shown["compact"], stands["prompt"], stands["topk"], stands["region"]) == (True, 0, [5, 10, 15, 16], None)
    session = session_of(at)
    clicked = AskedRegion(6, (4, 4))
    session.explore = replace(session.explore, region=clicked, region_of=watched.sha256)
    assert grid(fine(at.run()), "watched map")["state"]["region"] == 6
    uploader(at, "Photos to try").upload("found.png", png(500))
    assert grid(fine(at.run()), "tried map")["state"]["region"] is None, "that is another photo"
    session.explore = replace(session.explore, region_of="another")
    assert grid(fine(at.run()), "watched map")["state"]["region"] is None


def test_a_second_click_on_undo_is_not_for_the_change_before(tiny_app: Open) -> None:
    at = add_classes(go(fine(tiny_app()), TEACH), "red, green")
    deck = session_of(at).photos.deck
    deck.delete(card(at, "red").id)
    before = button(fine(at.run()), "Undo")
    assert "deleted red" in everything(at)
    deck.enable(False, card(at, "green").id)  # by another tab, just before
    fine(before.click().run())
    assert [(found.name, found.enabled) for found in deck.cards] == [("green", False)], "neither was taken back"
    fine(button(at, "Undo").click().run())
    assert deck.cards[0].enabled
    fine(button(at, "Undo").click().run())
    assert {found.name for found in deck.cards} == {"red", "green"}


# Training ------------------------------------------------------------------------------------------------------------


def test_a_single_card_is_told_from_the_samples_photos_in_one_click_and_an_empty_one_cannot_be_taught(
    tiny_app: Open,
) -> None:
    at = teach(fine(tiny_app()), {"red": 2})
    assert (at.button(key="train").disabled, "at least two classes" in everything(at)) == (True, True)
    fine(at.button(key="something else").click().run())
    red, other = session_of(at).photos.deck.cards
    paths = ordinary_photos("red", red.shots, resources.backbone())
    assert paths
    assert (other.name, [photo.name for photo in other.shots]) == (SOMETHING_ELSE, [path.name for path in paths[:64]])
    assert (at.button(key="train").disabled, "something else" in keys(at)) == (False, False)
    assert "green and blue have no photos" in everything(add_classes(at, "green, blue"))
    fine(at.button(key=f"turn {card(at, 'blue').id}").click().run())
    assert "green has no photos" in everything(at)


def test_what_is_said_of_a_test_is_of_the_photos_and_classes_that_are_there_now(tiny_app: Open) -> None:
    at = go(run_training(cards(fine(tiny_app()), {"red": 2, "green": 2})), TEACH)
    advice, since = "Add test photos to the class cards", "Test photos or classes have changed since training."
    assert advice in everything(at)
    at = go(cards(at, {"red": 0, "green": 0}, tests=1), TEACH)
    assert (advice in everything(at), since in everything(at)) == (False, True), "they were added"
    at = go(run_training(at), TEACH)
    label = "Right on 2 test photos"
    assert (label in [metric.label for metric in at.metric], since in everything(at)) == (True, False)
    figures = [metric.label for metric in add_classes(at, "blue").metric]
    assert (label in figures, since in everything(at)) == (False, True), "it is of two classes, and there are three"


def test_teaching_changes_the_answer_and_says_by_how_much(tiny_app: Open, own_cache: Path, tmp_path: Path) -> None:
    at = with_photo(tiny_app, "red\ngreen")
    zero_shot = explained(at).shares
    at = finish(train(teach(at, {"red": 4, "green": 4}, epochs=8, tests=2)))
    assert "Done: 8 steps on 8 photos of 2 classes" in at.success[0].value.replace("\\", "")
    labels = {metric.label: metric for metric in at.metric}
    assert labels["Right on 8 training photos"].value.endswith("%")
    assert labels["Right on 4 test photos"].delta.endswith("points vs zero-shot")
    assert explained(go(at, EXPLORE)).shares != pytest.approx(zero_shot, abs=1e-3)
    assert any("Accuracy on 4 test photos" in metric.label for metric in at.metric)
    assert grid(at, "explainer")["threshold"] is not None, "a limit for none of these was found"
    written = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["gallop.json", "prompts.safetensors", "run.json"], (
        "the privacy line says that no photo is written to disk"
    )
    # The frozen answer is still there, and the same.
    assert explained(put(at, "explore prompts", "Zero-shot")).shares == pytest.approx(zero_shot, abs=1e-5)


def test_fewer_unknown_photos_noticed_than_by_the_run_before_are_said_first(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = cards(fine(tiny_app()), {"red": 2, "green": 2})
    session_of(at).photos.unknown.add([load_image(png(seed, "blue"), name=f"{seed}.png") for seed in (1, 2, 3)])
    for limit in (-99.0, 99.0):
        monkeypatch.setattr(calibration, "threshold_at_tpr", lambda *_, limit=limit: limit)
        run_training(at)
    at = go(at, TEACH)
    assert (len(at.warning), len(at.success)) == (1, 0), "green alone would hide it"
    said = at.warning[0].value.replace("\\", "")
    assert said.startswith("Worse than the run before:\n- unknown photos noticed, 3 of 3 -> 0 of 3\n- held-out ")
    assert said.endswith("\n\nDone: 2 steps on 4 photos of 2 classes.")


def test_cards_that_are_on_and_as_many_shots_as_asked_are_learned_and_those_classes_become_the_list(
    tiny_app: Open,
) -> None:
    at = teach(with_photo(tiny_app, "cat\ndog"), {"red": 4, "green": 3, "blue": 2})
    at = finish(train(settings(fine(at.button(key=f"turn {card(at, 'blue').id}").click().run()), shots=2)))
    assert (taught_of(at).names, taught_of(at).shots) == (("green", "red"), 4)
    assert go(at, EXPLORE).text_area(key="explore names").value == "green\nred"
    fine(at.text_area(key="explore names").set_value("red\ngreen\nyellow").run())
    assert "Added without retraining: yellow" in everything(at)
    assert set(grid(at, "explainer")["names"]) == {"red", "green", "yellow"}
    fine(at.text_area(key="explore names").set_value("red\nyellow").run())
    assert re.search(r"^The answers are zero-shot.* and green is missing\.", at.info[0].value)
    fine(at.text_area(key="explore names").set_value("red\ngreen").run())
    assert len(grid(at, "explainer")["takes"]) == 2, "what was taught answers again, beside zero-shot"


def in_training(at: AppTest) -> AppTest:
    until(lambda: any("Training, step 3" in bar.text for bar in again(at).progress))
    return at


def test_while_it_learns_the_page_is_usable_and_its_charts_grow_and_cancel_keeps_the_best_so_far(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = [3]
    hold(monkeypatch, lambda progress: progress.phase == "training" and progress.done >= step[-1])
    at = with_photo(tiny_app, "red\ngreen")
    zero_shot = explained(at).shares
    at = in_training(train(teach(at, {"red": 2, "green": 2}, epochs=6)))
    assert at.button(key="train").disabled
    first = bars(at, "learning")
    assert [found.proto.spec for found in at.get("plotly_chart") if "kept" in found.proto.id]
    step.append(4)
    until(lambda: bars(again(at), "learning") != first)
    assert any(found.value.startswith(("After step", "Before training")) for found in at.caption)
    other = card(at, "green").shots[0]
    fine(at.selectbox(key="teach watched").set_value(f"{card(at, 'green').id} {other.sha256}").run())
    assert there(session_of(at).training.watch.photo).sha256 == other.sha256
    assert "See the page *Teach*" in everything(go(at, EXPLORE))
    assert sums(hand(at, k={1: 2}))[1].startswith("k = 2: ")
    taught = taught_of(finish(fine(button(go(at, TEACH), "Cancel").click().run())))
    assert taught.steps == 4 < taught.of_steps
    assert "Cancelled after step 4 of" in at.info[-1].value.replace("\\", "")
    assert explained(go(at, EXPLORE)).shares != zero_shot


def test_it_can_be_tried_while_it_is_calibrated_and_what_stands_on_explore_is_left_alone(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()
    hold(monkeypatch, lambda progress: progress.phase == "calibrating" and not tried.is_set())
    at = train(teach(fine(tiny_app()), {"red": 2, "green": 2}, epochs=6))
    until(lambda: any("Calibrating" in bar.text for bar in again(at).progress))
    assert session_of(at).training.taught is not None
    uploader(at, "Photos to try").upload("found.png", png(500))
    assert grid(fine(at.run()), "tried map")["threshold"] is None, "no limit was found yet"
    session_of(at).explore = replace(session_of(at).explore, names="red\ngreen\nblue")
    tried.set()
    assert (session_of(finish(at)).explore.names, len(runs_of(at))) == ("red\ngreen\nblue", 1)
    assert grid(at, "tried map")["threshold"] is not None


def test_while_it_is_trained_again_the_last_model_answers_and_a_first_answer_is_called_one_so_far(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [True]
    hold(monkeypatch, lambda progress: progress.phase == "calibrating" and held[0])
    at = train(teach(fine(tiny_app()), {"red": 2, "green": 2}, epochs=2))
    until(lambda: any("Calibrating" in bar.text for bar in again(at).progress))
    uploader(at, "Photos to try").upload("found.png", png(500))
    assert any(found.value.startswith("So far: ") for found in fine(at.run()).subheader)
    held[0] = False
    before = taught_of(finish(at))
    said = [found.value for found in at.subheader]
    assert "So far: " not in plain(at)
    held[0] = True
    at = train(settings(at, epochs=3))
    until(lambda: any("Calibrating" in bar.text for bar in again(at).progress))
    assert (taught_of(at), [found.value for found in at.subheader]) == (before, said)
    held[0] = False
    assert taught_of(finish(at)).steps == 3


@pytest.mark.slow
def test_a_reload_finds_the_training_and_the_cards_again_and_another_visitor_waits_for_it(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, learning)
    at = in_training(train(teach(fine(tiny_app()), {"red": 2, "green": 2}, epochs=6)))
    reloaded = AppTest.from_file(str(SCRIPT), default_timeout=60)
    reloaded.query_params[resources.ADDRESS] = at.query_params[resources.ADDRESS]
    assert names(in_training(go(fine(reloaded.run()), TEACH))) == ["red", "green"]
    assert session_of(reloaded) is session_of(at)
    stranger = AppTest.from_file(str(SCRIPT), default_timeout=60)
    stranger.query_params[resources.ADDRESS] = "0" * 32
    assert session_of(fine(stranger.run())) is not session_of(at)
    assert "has ended" in stranger.info[0].value
    other = go(fine(tiny_app()), TEACH)
    assert other.query_params[resources.ADDRESS] != at.query_params[resources.ADDRESS]
    assert (names(other), len(other.progress)) == ([], 0)
    other = train(teach(other, {"red": 1, "green": 1}, epochs=1))
    assert "Waiting: 1 job ahead of yours" in other.progress[0].text
    finish(fine(button(reloaded, "Cancel").click().run()))
    assert taught_of(finish(other)) is not taught_of(reloaded)
    assert "Done: 1 step on 2 photos" in plain(other)


def test_a_full_queue_and_a_training_that_fails_are_told_in_a_sentence(
    tiny_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = teach(fine(tiny_app()), {"red": 1, "green": 1}, epochs=1)
    full = PlainError("5 of your jobs are still waiting or running")
    with monkeypatch.context() as patched:
        patched.setattr(resources.jobs(), "submit", mock.Mock(side_effect=full))
        assert str(full) in train(at).error[0].value
    monkeypatch.setattr("gallop.GalLoPClassifier.fit_steps", mock.Mock(side_effect=RuntimeError("a secret path")))
    assert "The training stopped" in finish(train(at)).error[0].value
    assert "secret" not in everything(at)
