"""The page Sort in this process: a pile is sorted by what was taught, written down, taught with; its script by Node."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.photos.pile import PhotoPile
from app.teaching import cards as cards_of_deck
from app.ui import projects, resources
from app.views import sorting, testing
from gallop.model.calibration import Calibration
from gallop.predictions.together import answered_together
from tests.app.test_pile import do
from tests.app_pages import (
    HOSTILE,
    SORT,
    TEACH,
    Open,
    button,
    cards,
    fine,
    finish,
    go,
    grid,
    session_of,
    there,
    train,
    unsaid,
    uploader,
)
from tests.tiny import png

# Spreadsheets take it for a formula, and it is markup; browsers send a name without its folders.
NAME = f"=1+1 {HOSTILE[1].replace('/', '')}.png"


@pytest.fixture
def at(tiny_app: Open) -> AppTest:
    """A pile of nine photos, sorted; one file was no photo."""
    at = train(cards(fine(tiny_app()), {"red": 3, "green": 3}, tests=1))
    found = uploader(go(at, SORT), "photos without labels")
    files = [(f"{colour} {i}.png", png(500 + i, colour)) for colour in ("red", "green") for i in range(4)]
    for name, data in [*files, (NAME, png(600, "red")), ("words.txt", b"no photo")]:
        found.upload(name, data)
    return finish(fine(at.run()))


def pile_of(at: AppTest) -> PhotoPile:
    return session_of(at).photos.pile


def test_what_is_uploaded_is_answered_as_on_test_and_what_is_no_photo_is_named(at: AppTest) -> None:
    pile, session = pile_of(at), session_of(at)
    content = grid(at, "sort")
    assert content["names"] == ["green", "red", "none of these"]
    assert sorted(name for name, *_ in content["photos"]) == sorted(
        [*(f"{colour} {i}.png" for colour in ("red", "green") for i in range(4)), NAME]
    )
    photos = [pile.now.photos[key] for key in pile.scored.keys]
    answers = testing.answered(session, resources.backbone(), [sorting.load_image(photo.data) for photo in photos])
    np.testing.assert_allclose([photo.row for photo in photos], there(answers).found.probabilities, atol=1e-5)
    assert not unsaid(at, "words.txt", "9 takes")


def test_a_pile_that_looks_unlike_the_shots_is_told_and_its_probabilities_are_not_shown(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(Calibration, "unlike", lambda self, scores: asked.append(sorted(scores)) or "They look unlike.")
    assert grid(at, "sort")["trusted"]
    uploader(at, "photos without labels").upload("more.png", png(700, "red"))
    finish(fine(at.run()))
    pile, session = pile_of(at), session_of(at)
    photos = [sorting.load_image(photo.data) for photo in pile.now.photos.values()]
    scores = testing.answered(session, resources.backbone(), photos).outlier
    np.testing.assert_allclose(asked[-1], sorted(scores), atol=1e-5)
    assert not grid(at, "sort")["trusted"]
    assert not unsaid(at, "They look unlike. What the checks promise holds")


def rows_of(at: AppTest) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sorting.table(session_of(at)).decode())))


def test_a_table_has_every_photo_and_no_formula(at: AppTest) -> None:
    pile, rows = pile_of(at), rows_of(at)
    assert [(row["label"], row["accepted"] == "yes") for row in rows] == [
        (pile.scored.labels[key] or "none of these", key in pile.scored.targets) for key in pile.scored.keys
    ]
    assert [row["image"] for row in rows if "1+1" in row["image"]] == [f"'{NAME}"]


def test_class_folders_have_the_accepted_photos_under_names_that_every_system_allows(at: AppTest) -> None:
    pile = pile_of(at)
    do(pile, {"act": "line", "count": 0})
    do(pile, {"act": "label", "photos": [0, 1, 2], "label": 1})
    pile.scored.state["known"] = dict.fromkeys(pile.scored.said, "../../<b>")
    with zipfile.ZipFile(io.BytesIO(sorting.class_folders(session_of(at)))) as archive:
        names = archive.namelist()
        assert {archive.read(name) for name in names} == {pile.now.photos[key].data for key in pile.scored.keys[:3]}
    assert all(name.count("/") == 1 and not set(name) & set('<>:"|?*\\') and name[0] != "." for name in names)


def test_accepted_photos_go_to_the_cards_as_far_as_there_is_room_and_are_trained_on(at: AppTest) -> None:
    session, pile = session_of(at), pile_of(at)
    do(pile, {"act": "line", "count": 0})
    do(pile, {"act": "label", "photos": list(range(9)), "label": 0})
    before = session.training.number
    fine(button(at, "Teach with").click().run())
    assert {photo.sha256 for photo in there(session.photos.deck.find("green")).shots} >= set(pile.scored.keys)
    finish(at)
    assert session.training.number > before
    assert not unsaid(fine(at.run()), "Sorted by an earlier model")
    fine(button(at, "Sort again").click().run())
    finish(at)
    assert pile.now.version == sorting.version(session)
    assert pile.scored.said == dict.fromkeys(pile.scored.keys, "green"), "what a person said stays"


def test_more_than_a_class_takes_is_told_and_without_anything_new_no_training_begins(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(at)
    do(pile_of(at), {"act": "label", "photos": list(range(9)), "label": 0})
    with monkeypatch.context() as patched:
        for module in (sorting, cards_of_deck):
            patched.setattr(module, "MOST_PHOTOS", 5)
        told = sorting.teach(session)
    added = "2 photos added to the cards on Teach, and a training begins."
    assert told == f"{added} There was no room for 7 photos: a class takes 5."
    sorting.teach(session)
    assert sorting.teach(session) == "All of them are on the cards on Teach already."


def test_acts_of_a_browser_are_heard_once_and_only_about_this_sorting(at: AppTest) -> None:
    pile = pile_of(at)
    act = {"turn": 1, "version": pile.turn, "act": "label", "photos": [0], "label": 1}
    stale, senseless = {**act, "turn": 2, "version": pile.turn - 1, "photos": [1]}, {**act, "turn": "3"}
    for _ in range(2):
        pile.hear([act, stale, senseless, None])
        assert list(pile.scored.said) == [pile.scored.keys[0]]
    pile.hear([{**act, "turn": 2, "act": "undo"}])
    pile.hear([act])
    assert (pile.scored.said, pile.heard) == ({}, 2)
    pile.hear({"acts": act})


def test_the_pile_goes_with_everything_and_by_itself_and_leaves_words_and_a_table(at: AppTest) -> None:
    session = session_of(at)
    held, size = session.photos.size, pile_of(at).size
    assert size > 0
    fine(button(at, "Remove the pile").click().run())
    assert (session.photos.size, pile_of(at).scored.keys) == (held - size, [])
    assert sorting.in_words(session).startswith("0 photos accepted.")
    assert sorting.table(session).decode().splitlines() == ["image,label,accepted,by,probability"]
    session.photos.pile.waiting.append(("a", b"1234"))
    session.photos.let_go()
    assert session.photos.pile.size == 0


def test_the_same_picture_twice_is_refused_and_what_a_cancelled_job_did_not_reach_still_waits(at: AppTest) -> None:
    session, pile = session_of(at), pile_of(at)
    pile.waiting = [("again.png", png(500, "red")), ("new.png", png(900)), ("new too.png", png(900))]
    finish(fine(at.run()))
    assert len(pile.scored.keys) == 10
    assert not unsaid(fine(at.run()), "again.png is already here", "new too.png is already here")
    assert session.photos.pile is pile
    pile.waiting = [(f"{i}.png", png(800 + i)) for i in range(40)]
    steps = sorting.sorting(session, resources.backbones())
    told = [next(steps).sentence for _ in range(2)]
    steps.close()
    pile.settle()
    assert told == ["16 of 40 photos", "32 of 40 photos"]
    assert ([name for name, _ in pile.waiting], len(pile.scored.keys)) == ([f"{i}.png" for i in range(32, 40)], 10 + 32)
    fine(at.run())
    finish(fine(at.run()))
    assert (pile.waiting, len(pile.scored.keys)) == ([], 10 + 40)


def test_similar_photos_vote_as_in_the_library_without_being_answered_again_until_the_first_check(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pile, before = pile_of(at), {key: photo.row for key, photo in pile_of(at).now.photos.items()}
    monkeypatch.setattr("gallop.features.encoding.encode_centres", None)
    do(pile, {"act": "line", "count": 1})
    finish(fine(at.toggle(key="sort together").set_value(True).run()))
    assert not pile.by_hand, "the line is set anew"
    photos = list(pile.now.photos.values())
    found = answered_together(
        [before[photo.key] for photo in photos],
        np.stack([photo.feature for photo in photos]),
        [photo.answer < 0 for photo in photos],
    )
    np.testing.assert_allclose([photo.row for photo in photos], found.probabilities, atol=1e-6)
    assert not np.allclose([photo.row for photo in photos], [before[photo.key] for photo in photos], atol=1e-3)
    assert not unsaid(at, "The photos most like each photo voted on its answer.")
    finish(fine(at.toggle(key="sort together").set_value(False).run()))
    assert all((photo.row == before[key]).all() for key, photo in pile.now.photos.items())
    assert not at.toggle(key="sort together").disabled
    do(pile, {"act": "check", "photos": [pile.scored.keys.index(pile.to_check()[0])], "wrong": []})
    assert fine(at.run()).toggle(key="sort together").disabled


def test_photos_wait_until_something_was_taught(tiny_app: Open) -> None:
    at = fine(tiny_app())
    session_of(at).photos.pile.waiting.append(("red.png", png(1)))
    fine(go(at, SORT))
    assert pile_of(at).waiting
    train(cards(go(at, TEACH), {"red": 2, "green": 2}))
    finish(go(at, SORT))
    assert (pile_of(at).waiting, len(pile_of(at).scored.keys)) == ([], 1)


def test_its_script_works_out_places_as_by_hand(node: str) -> None:
    surroundings = os.environ | {"SORT_SOURCE": str(Path(projects.__file__).with_name("sort") / "sort.js")}
    command = [node, "--test", str(Path(__file__).with_name("sort.test.mjs"))]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
